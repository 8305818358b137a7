import csv
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from cinegrain.errors import ConfigError
from cinegrain.types import Float32, UInt8
from cinegrain_demo import corpus as corpus_module
from cinegrain_demo.corpus import render_corpus
from cinegrain_demo.inventory import SUBGENRES
from cinegrain_demo.plan import CorpusSettings, FilmPlan, plan_corpus
from cinegrain_demo.render import is_whole, render_film

SHORT = CorpusSettings(n_films=16, seed=3, shortest_s=2.0, longest_s=2.2)


def _decode(path: Path) -> tuple[list[UInt8], Float32]:
    with av.open(str(path)) as container:
        frames = [np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    return frames, sound


@pytest.fixture(scope="module")
def plan() -> FilmPlan:
    return next(p for p in plan_corpus(SHORT) if p.subgenre == "seaside love")


@pytest.fixture(scope="module")
def film(plan: FilmPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    render_film(plan, path)
    return path


def test_film_has_one_picture_and_one_sound_stream_of_the_planned_size_and_length(plan: FilmPlan, film: Path) -> None:
    with av.open(str(film)) as container:
        assert [s.type for s in container.streams] == ["video", "audio"]
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == (plan.look.aspect.width, plan.look.aspect.height)
        assert video.average_rate == plan.look.frame_rate
    frames, sound = _decode(film)
    assert len(frames) == plan.look.n_frames
    # AAC comes in frames of 1024 samples (43 ms) with one of priming at the start.
    assert len(sound) / 24_000 == pytest.approx(plan.look.duration_s, abs=0.15)
    assert is_whole(plan, film)


def test_sound_is_heard_at_the_planned_loudness(plan: FilmPlan, film: Path) -> None:
    _, sound = _decode(film)
    peak_db = 20 * np.log10(np.abs(sound).max())
    assert peak_db == pytest.approx(plan.look.gain_db, abs=2)  # AAC does not keep peaks exactly


def test_same_plan_same_film(plan: FilmPlan, film: Path, tmp_path: Path) -> None:
    render_film(plan, tmp_path / "again.mp4")
    frames, sound = _decode(film)
    frames_again, sound_again = _decode(tmp_path / "again.mp4")
    assert all(np.array_equal(a, b) for a, b in zip(frames, frames_again, strict=True))
    assert np.array_equal(sound, sound_again)


def test_two_films_of_one_subgenre_share_neither_pictures_nor_sound(plan: FilmPlan, film: Path, tmp_path: Path) -> None:
    render_film(replace(plan, seed=plan.seed + 1), tmp_path / "sibling.mp4")
    frames, sound = _decode(film)
    other_frames, other_sound = _decode(tmp_path / "sibling.mp4")
    differences = [np.abs(a.astype(int) - b).mean() for a, b in zip(frames, other_frames, strict=True)]
    assert np.mean(differences) > 5  # the same film coded twice differs by 0, two unrelated pictures by 20 and more
    assert sum(d == 0 for d in differences) == 0
    n = min(len(sound), len(other_sound))
    assert abs(np.corrcoef(sound[:n], other_sound[:n])[0, 1]) < 0.2


def test_interrupted_film_leaves_nothing(plan: FilmPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_plan: FilmPlan) -> list[UInt8]:
        raise KeyboardInterrupt

    monkeypatch.setattr("cinegrain_demo.render.film_frames", stop)
    with pytest.raises(KeyboardInterrupt):
        render_film(plan, tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def light_corpus(tmp_path: Path, film: Path, plan: FilmPlan, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose films are rendered in this process as copies of one film, so that only the logic is tested."""

    def copy_all(plans: list[FilmPlan], videos: Path, _n_workers: int, on_done: object) -> None:
        assert callable(on_done)
        for done, one in enumerate(plans, 1):
            (videos / one.file_name).write_bytes(film.read_bytes())
            on_done(done)

    monkeypatch.setattr(corpus_module, "_render_all", copy_all)
    return tmp_path


def test_catalogue_and_truth_fit_together_and_only_truth_tells(light_corpus: Path) -> None:
    files = render_corpus(light_corpus, SHORT)
    with files.catalog.open(encoding="utf-8-sig", newline="") as file:
        catalog = list(csv.DictReader(file))
    with files.truth.open(encoding="utf-8-sig", newline="") as file:
        truth = list(csv.DictReader(file))
    assert list(catalog[0]) == ["file", "trailer_id", "title", "year", "genres"]
    assert list(truth[0]) == ["trailer_id", "subgenre", "setting", "motion", "sound"]
    assert [row["trailer_id"] for row in catalog] == [row["trailer_id"] for row in truth]
    assert all((light_corpus / row["file"]).is_file() for row in catalog)
    assert {row["subgenre"] for row in truth} == {s.name for s in SUBGENRES}
    told = files.catalog.read_text(encoding="utf-8").lower() + (light_corpus / "corpus.json").read_text(
        encoding="utf-8"
    )
    for secret in {text for s in SUBGENRES for text in (s.name, s.setting, s.motion, s.sound)}:
        assert secret not in told


def test_second_run_skips_whole_films_and_repairs_missing_and_truncated_ones(light_corpus: Path) -> None:
    first = render_corpus(light_corpus, SHORT)
    assert (first.n_rendered, first.n_skipped) == (16, 0)
    films = sorted(first.videos.iterdir())
    films[0].unlink()
    films[1].write_bytes(films[1].read_bytes()[:-200])
    calls: list[tuple[int, int]] = []
    second = render_corpus(light_corpus, SHORT, on_film=lambda done, total: calls.append((done, total)))
    assert (second.n_rendered, second.n_skipped) == (2, 14)
    assert calls == [(14, 16), (15, 16), (16, 16)]
    assert films[0].read_bytes() == films[1].read_bytes() == films[2].read_bytes()


def test_other_settings_replace_the_films_and_half_films_are_swept(light_corpus: Path) -> None:
    first = render_corpus(light_corpus, replace(SHORT, n_films=20))
    (first.videos / ".film-0001.mp4.77.part").write_bytes(b"half")
    second = render_corpus(light_corpus, SHORT)
    assert (second.n_rendered, second.n_skipped) == (16, 0)
    assert len(list(second.videos.iterdir())) == 16
    assert json.loads((light_corpus / "corpus.json").read_text(encoding="utf-8"))["settings"]["n_films"] == 16


def test_films_of_the_user_are_left_alone(light_corpus: Path) -> None:
    (light_corpus / "videos").mkdir()
    mine = light_corpus / "videos" / "holiday.mp4"
    mine.write_bytes(b"mine")
    render_corpus(light_corpus, SHORT)
    assert mine.read_bytes() == b"mine"


def test_no_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one worker"):
        render_corpus(tmp_path, SHORT, workers=0)


def test_pool_renders_what_one_process_renders(tmp_path: Path, film: Path, plan: FilmPlan) -> None:
    done: list[int] = []
    corpus_module._render_all([plan], tmp_path, 1, done.append)
    assert done == [1]
    assert (tmp_path / plan.file_name).read_bytes() == film.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == [plan.file_name]
