"""The paper preset: published formats read, graphs equal to independent definitions, whole films through it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import make_scene
from tests.experts import published
from tests.experts.published import Weights
from tests.media.conftest import texture, tone, write_film

from cinegrain.errors import WeightsError
from cinegrain.experts import class_names, densenet161, picture_classifier, resnet50, vggish, video_resnet
from cinegrain.experts.base import ExpertCard, Network
from cinegrain.experts.graph import run_batched
from cinegrain.experts.registry import PRESETS, expert_cards, load_networks, needs_clips
from cinegrain.experts.runtime import Runtime
from cinegrain.experts.weights import content_key, fetch, is_cached
from cinegrain.pipeline.extraction.embed import Embedder, Job
from cinegrain.settings import MediaSettings
from cinegrain.types import CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, SOUND_RATE_HZ
from cinegrain.urls import cache_folder

Eager = Callable[[Weights, torch.Tensor], list[torch.Tensor]]


@dataclass(frozen=True)
class Case:
    """One network: its published file, how to fill and save it, and what is known of the real one."""

    card: ExpertCard
    eager: Eager
    save: Callable[[dict[str, torch.Tensor], Path], None]
    counters: bool
    shape: tuple[int, ...]
    n_tensors: int
    n_parameters: int

    @property
    def file(self) -> str:
        return self.card.weights[0].published_name


PATCH_SAMPLES = 15_360  # 0.96 s
PICTURE, CLIP = (2, 224, 224, 3), (1, CLIP_FRAMES, 112, 112, 3)
# Numbers of tensors and parameters: of torchvision's own networks (those of 2017 count no batches).
CASES = {
    case.card.name: case
    for case in (
        Case(resnet50.IMAGE.card, published.resnet50(1000), published.save_plain, True, PICTURE, 320, 25_557_032),
        Case(resnet50.LOCATION.card, published.resnet50(365), published.save_places, False, PICTURE, 267, 24_255_917),
        Case(
            densenet161.LOCATION.card,
            published.densenet161,
            published.save_places,
            False,
            PICTURE,
            806,
            27_278_285,
        ),
        Case(vggish.CARD, published.vggish, published.save_plain, False, (2, 1, 96, 64), 18, 72_141_184),
        Case(video_resnet.R2PLUS1D.card, published.r2plus1d_18, published.save_plain, True, CLIP, 224, 31_505_325),
        Case(video_resnet.R3D.card, published.r3d_18, published.save_plain, True, CLIP, 122, 33_371_472),
    )
}


@dataclass(frozen=True)
class Published:
    """A folder as a user would fill it, what the networks should answer, and a cache for the graphs."""

    folder: Path
    cache: Path
    states: dict[str, dict[str, torch.Tensor]]
    inputs: dict[str, np.ndarray[Any, Any]]
    outputs: dict[str, list[np.ndarray[Any, Any]]]
    networks: dict[str, Network]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("weights")
    made = Published(folder, tmp_path_factory.mktemp("cache"), {}, {}, {}, {})
    rng = np.random.default_rng(0)
    for seed, (name, case) in enumerate(CASES.items()):
        w = Weights(seed, counters=case.counters)
        x = rng.integers(0, 256, case.shape, np.uint8)
        x[1:] //= 3  # so that the answers differ
        made.inputs[name] = x if case.card.needs != "sound" else rng.normal(-2, 2, case.shape).astype(np.float32)
        with torch.inference_mode():
            made.outputs[name] = [out.numpy() for out in case.eager(w, torch.from_numpy(made.inputs[name]))]
        made.states[name] = w.state
        case.save(w.state, folder / case.file)
    for list_of_words in (class_names.SYNSETS, class_names.LEMMAS, class_names.TORCHVISION_META):
        shutil.copy(fetch(list_of_words, cache_folder()), folder / list_of_words.published_name)
    lines = [f"/p/place_{i}{'/indoor' if i % 2 else ''} {i}\n" for i in range(365)]
    (folder / class_names.PLACES_CATEGORIES.published_name).write_text("".join(lines))
    yield made
    for path in (made.folder, made.cache):  # half a gigabyte that pytest would keep
        shutil.rmtree(path)


@pytest.fixture
def own_folder(files: Published, monkeypatch: pytest.MonkeyPatch) -> Published:
    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(files.folder))
    monkeypatch.setenv("CINEGRAIN_OFFLINE", "1")
    return files


def load(name: str, cache: Path) -> Network:
    (network,) = load_networks([name], cache)
    return network


def loaded(files: Published, name: str) -> Network:
    if name not in files.networks:
        files.networks[name] = load(name, files.cache)
    return files.networks[name]


@pytest.mark.parametrize("name", CASES)
def test_checkpoints_here_are_as_large_as_the_published_ones(files: Published, name: str) -> None:
    state = files.states[name]
    assert len(state) == CASES[name].n_tensors
    learned = [t for key, t in state.items() if not key.endswith(("running_mean", "running_var", "tracked"))]
    assert sum(t.numel() for t in learned) == CASES[name].n_parameters


@pytest.mark.parametrize("name", CASES)
def test_graph_equals_an_independent_definition(own_folder: Published, name: str) -> None:
    session = loaded(own_folder, name)._network._session  # type: ignore[attr-defined]
    found = run_batched(session, session.get_inputs()[0].name, own_folder.inputs[name], batch=8)
    for value, expected in zip(found, own_folder.outputs[name], strict=True):
        spread = float(np.abs(expected).max())
        assert len(np.unique((expected / spread).round(3))) > 20, "the answer should say something"
        if len(expected) > 1:
            assert np.abs(expected[0] - expected[1]).max() > 0.03 * spread, "and depend on what it is shown"
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4 * spread)  # fp32 sums in another order


@pytest.mark.parametrize("name", [name for name in CASES if name != video_resnet.R3D.card.name])
def test_scenes_get_the_mean_of_what_they_have_and_none_of_nothing(own_folder: Published, name: str) -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (2, 256, 300, 3), np.uint8)
    frames[1] //= 3
    sound = rng.normal(0, 0.1, 2 * PATCH_SAMPLES + 240).astype(np.float32)
    sound[PATCH_SAMPLES:] *= 0.1
    clips = rng.integers(0, 256, (2, CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, 3), np.uint8)
    clips[1] //= 2
    first = make_scene(frames=frames[:1], sound=sound[: PATCH_SAMPLES + 240], clips=clips[:1])
    second = make_scene(frames=frames[1:], sound=sound[PATCH_SAMPLES:], clips=clips[1:])
    both, nothing = make_scene(frames=frames, sound=sound, clips=clips), make_scene()
    network = loaded(own_folder, name)
    assert network.embed([nothing])[name] == [None]
    before, found, after, a, b = network.embed([nothing, both, nothing, first, second])[name]
    assert before is None
    assert after is None
    assert found is not None
    assert a is not None
    assert b is not None
    spread = float(np.abs(found.vector).max())
    np.testing.assert_allclose(found.vector, (a.vector + b.vector) / 2, rtol=1e-3, atol=1e-4 * spread)
    assert np.abs(a.vector - b.vector).max() > 1e-2 * spread
    card = expert_cards()[name]
    assert found.vector.shape == (card.dimension,)
    assert found.vector.dtype == np.float32
    assert len(found.concepts) == (10 if card.concepts else 0)
    words = getattr(network._network, "words", ())  # type: ignore[attr-defined]
    assert all(concept.name in words for concept in found.concepts)


EARLY = {
    resnet50.IMAGE.card.name: "bn1.running_var",
    densenet161.LOCATION.card.name: "features.denseblock1.denselayer1.norm1.weight",
    vggish.CARD.name: "features.0.bias",
    video_resnet.R2PLUS1D.card.name: "layer1.0.conv1.0.3.weight",
    video_resnet.R3D.card.name: "stem.0.weight",
}


@pytest.mark.parametrize("damage", ["missing", "shape", "nan"])
@pytest.mark.parametrize("name", EARLY)
def test_wrong_layers_are_named(
    own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    state, layer = dict(own_folder.states[name]), EARLY[name]
    key = layer.replace("norm1", "norm.1")
    if damage == "missing":
        del state[key]
    else:
        state[key] = torch.zeros(3) if damage == "shape" else torch.full_like(state[key], torch.nan)
    assert_refused(own_folder, tmp_path, monkeypatch, name, state, layer)


def test_another_network_is_refused(own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = resnet50.IMAGE.card.name
    deeper = own_folder.states[name] | {"layer3.6.conv1.weight": torch.zeros(3)}
    assert_refused(own_folder, tmp_path, monkeypatch, name, deeper, r"1 further layers.*layer3\.6\.conv1\.weight")
    places = own_folder.states[resnet50.LOCATION.card.name]
    assert_refused(own_folder, tmp_path, monkeypatch, name, places, r"fc\.weight of shape \(365, 2048\)")


def assert_refused(
    files: Published,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    state: dict[str, torch.Tensor],
    message: str,
) -> None:
    for path in files.folder.iterdir():
        if not (tmp_path / path.name).exists():
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / CASES[name].file).unlink()
    CASES[name].save(state, tmp_path / CASES[name].file)
    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=message) as caught:
        load(name, tmp_path / "cache")
    assert str(tmp_path / CASES[name].file) in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.onnx")), "nothing half-written"


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut off", b"\x80\x02}q\x00."])
def test_other_files_are_refused(
    own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(tmp_path))
    file = tmp_path / vggish.CHECKPOINT.published_name
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"vggish-10086976\.pth is not"):
        vggish.VGGish(tmp_path / "cache", Runtime())
    torch.save({"state_dict": {"a": "text"}}, file)
    with pytest.raises(WeightsError, match="something else than named tensors"):
        vggish.VGGish(tmp_path / "cache", Runtime())


def test_a_checkpoint_can_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(tmp_path))
    torch.save({"state_dict": Trap()}, tmp_path / vggish.CHECKPOINT.published_name)
    with pytest.raises(WeightsError, match="is not a VGGish checkpoint"):
        vggish.VGGish(tmp_path / "cache", Runtime())
    assert not (tmp_path / "ran").exists()


def test_another_file_of_the_same_name_gets_its_own_graph(own_folder: Published, tmp_path: Path) -> None:
    key = content_key(own_folder.folder / CASES["image_resnet50"].file, own_folder.cache)
    loaded(own_folder, "image_resnet50")
    assert (own_folder.cache / "graphs" / f"image_resnet50-v1-{key}.onnx").is_file()
    (tmp_path / "x").write_bytes(b"x")
    assert content_key(tmp_path / "x", own_folder.cache) != key


@pytest.mark.parametrize("name", CASES)
def test_without_files_the_message_says_which_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CINEGRAIN_OFFLINE", "1")
    monkeypatch.delenv("CINEGRAIN_WEIGHTS", raising=False)
    for file in CASES[name].card.weights:
        assert not is_cached(file, tmp_path)
        with pytest.raises(WeightsError, match="set CINEGRAIN_WEIGHTS to that folder") as caught:
            fetch(file, tmp_path)
        assert f"put {file.published_name} into a folder" in str(caught.value)


def test_word_lists(own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actions = class_names.kinetics_words(own_folder.cache)
    assert (len(actions), actions[0], actions[-1]) == (400, "abseiling", "zumba")
    objects = class_names.imagenet_words(own_folder.cache)
    assert (len(objects), objects[0], objects[999]) == (1000, "tench", "toilet tissue")
    places = class_names.places_words(own_folder.cache)
    assert places[:2] == ("place 0", "place 1 (indoor)")
    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(tmp_path))
    for wrong in ("", "/a/airfield 0\n", "".join(f"/a/b {i + 1}\n" for i in range(365))):
        (tmp_path / "categories_places365.txt").write_text(wrong)
        with pytest.raises(WeightsError, match="not the list of 365 places"):
            class_names.places_words(tmp_path / "cache")


@pytest.mark.parametrize("size", [(455, 256), (256, 256), (133, 100), (90, 300), (640, 480)])
def test_pictures_are_prepared_as_published(size: tuple[int, int]) -> None:
    width, height = size
    frame = texture(3, width, height)
    short = min(size)
    resized = Image.fromarray(frame).resize((256 * width // short, 256 * height // short), Image.Resampling.BILINEAR)
    left, top = round((resized.width - 224) / 2), round((resized.height - 224) / 2)
    expected = np.asarray(resized.crop((left, top, left + 224, top + 224)))
    np.testing.assert_array_equal(picture_classifier.prepare(frame), expected)


def test_clips_are_cropped_in_the_middle() -> None:
    clips = np.zeros((1, CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, 3), np.uint8)
    clips[..., 0], clips[..., 1] = np.mgrid[:CLIP_HEIGHT, :CLIP_WIDTH]
    cropped = video_resnet.crop(clips)
    assert cropped.shape == (1, CLIP_FRAMES, 112, 112, 3)
    assert cropped[0, 0, 0, 0].tolist() == [8, 30, 0]
    assert cropped[0, 0, -1, -1].tolist() == [119, 141, 0]


def test_vggish_log_mel_equals_slow_loops() -> None:
    rng = np.random.default_rng(0)
    sound = (tone(1000, 2.2, SOUND_RATE_HZ) + rng.normal(0, 0.05, round(2.2 * SOUND_RATE_HZ))).astype(np.float32)
    patches = vggish.patches(sound)
    assert patches.shape == (2, 1, 96, 64)

    def mel(hz: float) -> float:
        return 1127 * float(np.log(1 + hz / 700))

    edges = np.linspace(mel(125), mel(7500), 66)
    for patch, row in ((0, 0), (0, 95), (1, 0), (1, 50)):
        start = (patch * 96 + row) * 160
        window = [float(sound[start + k]) * (0.5 - 0.5 * np.cos(2 * np.pi * k / 400)) for k in range(400)]
        spectrum = np.abs(np.fft.rfft(np.array(window), 512))
        for band in range(64):
            low, centre, high = edges[band : band + 3]
            total = 0.0
            for b in range(1, 257):
                m = mel(b * SOUND_RATE_HZ / 512)
                total += max(0.0, min((m - low) / (centre - low), (high - m) / (high - centre))) * spectrum[b]
            assert patches[patch, 0, row, band] == pytest.approx(np.log(total + 0.01), abs=1e-3)  # float32 spectrum


def test_a_whole_film_through_the_paper_preset(own_folder: Published, tmp_path: Path) -> None:
    shots = [texture(shot, 160, 90) for shot in (0, 1) for _ in range(40)]
    path = write_film(tmp_path / "film.mp4", shots, sound=tone(440, 3.2))
    experts = PRESETS["paper"]
    assert needs_clips(experts)
    assert not needs_clips(PRESETS["light"])
    networks = [loaded(own_folder, name) for name in experts]
    found = Embedder(networks, experts, MediaSettings()).one(Job("t1", path))
    cards = expert_cards()
    assert [cards[name].modality for name in experts] == ["audio", "location", "motion", "image"]
    assert [cards[name].dimension for name in experts] == [128, 2048, 512, 2048]
    assert not any(cards[name].substitute for name in experts)
    assert len(found.scenes) == 2
    for name in experts:
        column = found.embeddings[name]
        assert len(column) == 2
        assert all(e is not None and e.vector.shape == (cards[name].dimension,) for e in column)
