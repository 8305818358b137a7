"""Near-duplicates: planted shifts, a film in another cut and size. Real films: test_real_clips.py."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.pipeline.conftest import Cinegrain

from cinegrain.pipeline.datasets.duplicates import align, envelope, find_duplicates, likely_pairs, shared_time
from cinegrain.runs.progress import Silent
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import Float32
from cinegrain_demo.corpus import CorpusFiles

pytestmark = pytest.mark.xdist_group("run")


def sound(seconds: float, seed: int) -> Float32:
    """Bursts of noise, as speech or shots are."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.random(round(seconds * 5)) ** 3, 3200)
    return (loudness * rng.normal(0, 0.3, len(loudness))).astype(np.float32)


@pytest.mark.parametrize("shift_s", [0.0, 1.5, 4.0])
def test_a_shift_is_found_and_louder_is_no_other(shift_s: float) -> None:
    whole = sound(20, 0)
    part = np.float32(0.3) * whole[round(shift_s * 16000) :]
    value, offset_s = align(envelope(whole), envelope(part))
    assert value > 0.95
    assert offset_s == pytest.approx(-shift_s, abs=0.06)


def test_other_sound_does_not_align() -> None:
    assert max(align(envelope(sound(20, i)), envelope(sound(20, 100 + i)))[0] for i in range(5)) < 0.5


def test_alignment_equals_slow_loops() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 3)), rng.normal(size=(80, 3))
    centred_a, centred_b = a - a.mean(axis=0), b - b.mean(axis=0)
    best = (-2.0, 0.0)
    for shift in range(-59, 80):
        pairs = [(centred_a[t], centred_b[t + shift]) for t in range(60) if 0 <= t + shift < 80]
        if len(pairs) >= 40:
            x, y = np.concatenate([p for p, _ in pairs]), np.concatenate([q for _, q in pairs])
            best = max(best, (float(np.corrcoef(x, y)[0, 1]), shift / 20))
    assert align(a, b) == pytest.approx(best)


def test_shared_time_by_hand() -> None:
    a, b = np.eye(4, dtype=np.float32)[[0, 1]], np.eye(4, dtype=np.float32)[[1, 2, 3]]
    assert shared_time(a, np.array([1.0, 3.0]), b, np.array([3.0, 5.0, 5.0])) == pytest.approx(0.75)
    assert shared_time(b, np.array([3.0, 5.0, 5.0]), a, np.array([1.0, 3.0])) == pytest.approx(0.75)


def test_halves_of_films_are_among_the_likely_pairs() -> None:
    """Films of 20 scenes that differ more within a film than between films, and one half of each of 40 of them."""
    rng = np.random.default_rng(0)
    films = [rng.normal(size=48) + rng.normal(scale=1.5, size=(20, 48)) for _ in range(400)]
    films += [film[rng.permutation(20)[:10]] for film in films[:40]]
    units = [film / np.linalg.norm(film, axis=1, keepdims=True) for film in films]
    means = [film.mean(axis=0).astype(np.float32) for film in units]
    found = list(likely_pairs(means, all_below=100))
    assert found == sorted(set(found))
    assert len(found) < 0.15 * 440 * 439 / 2
    assert {(i, 400 + i) for i in range(40)} <= set(found)
    assert len(list(likely_pairs(means[:30]))) == 30 * 29 / 2


def recut(source: Path, target: Path, *, skip_s: float, width: int) -> None:
    """The same film without its first moments, smaller, in another codec and container."""
    with av.open(str(source)) as inp, av.open(str(target), "w") as out:
        picture, noise = inp.streams.video[0], inp.streams.audio[0]
        rate = Fraction(picture.average_rate or 24)
        video = out.add_stream("libvpx", rate=rate)
        video.time_base, video.bit_rate = 1 / rate, 4_000_000
        video.width, video.height, video.pix_fmt = width, width * picture.height // picture.width // 2 * 2, "yuv420p"
        audio = out.add_stream("aac", rate=24000)
        shown = 0
        for frame in inp.decode(picture, noise):
            if isinstance(frame, av.VideoFrame) and (frame.time or 0) >= skip_s:
                small = frame.reformat(video.width, video.height, "yuv420p")
                small.pts, small.time_base, shown = shown, 1 / rate, shown + 1
                out.mux(video.encode(small))
            elif isinstance(frame, av.AudioFrame) and (frame.time or 0) >= skip_s:
                frame.pts = None
                out.mux(audio.encode(frame))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))


def test_a_film_in_another_cut_size_and_container(
    corpus: CorpusFiles, cinegrain_here: Cinegrain, tmp_path: Path
) -> None:
    films = sorted(corpus.videos.glob("*.mp4"))[:5]
    folder = tmp_path / "films"
    folder.mkdir()
    for film in films:
        (folder / film.name).symlink_to(film)
    recut(films[3], folder / "again.mkv", skip_s=0.8, width=320)
    catalog = tmp_path / "films.csv"
    catalog.write_text("file,genres\n" + "".join(f"{p.name},A\n" for p in sorted(folder.iterdir())))
    experts = ["--extract.experts", "image_efficientnet_lite0"]
    done = cinegrain_here("extract", folder, "--catalog", catalog, "--out", tmp_path / "run", *experts)
    assert done.code == 0, done.err
    (pair,) = find_duplicates(EmbeddingDataset(tmp_path / "run" / "dataset"), Silent())
    assert {pair.a, pair.b} == {films[3].name, "again.mkv"}
    assert pair.sound is not None
    assert pair.sound > 0.8
    (folder / "again.mkv").write_bytes(b"no film any more")
    (pair,) = find_duplicates(EmbeddingDataset(tmp_path / "run" / "dataset"), Silent())
    assert (pair.sound, pair.offset_s) == (None, None), "compared by picture alone"
