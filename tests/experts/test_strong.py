"""The strong preset: tiny random networks saved as the hub publishes them, read back, exported and compared."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.conftest import make_scene
from tests.experts.hub_networks import ACTIONS, SIZE_PX, SOUNDS, save_ast, save_siglip, save_videomae
from tests.media.conftest import texture, tone, write_film
from tokenizers import Tokenizer
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

from cinegrain.config import Settings
from cinegrain.errors import MissingExtraError, WeightsError
from cinegrain.experts import audio_spectrogram, pretrained, siglip, videomae
from cinegrain.experts.base import Network
from cinegrain.experts.hub import HubFiles, HubModel
from cinegrain.experts.log_mel import kaldi_fbank
from cinegrain.experts.picture_processor import PictureProcessor, read_processor
from cinegrain.experts.place_names import PLACES, prompts
from cinegrain.experts.registry import PRESETS, expert_cards, load_networks, needs_clips
from cinegrain.experts.weights import WeightFile, fetch, is_cached
from cinegrain.pipeline.extraction.embed import Embedder, Job
from cinegrain.pipeline.extraction.extract import extract
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import MediaSettings
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, SOUND_RATE_HZ, Float32, SceneEmbedding, Trailer, UInt8

MODELS: dict[str, HubModel] = {
    "image_siglip": siglip.MODEL,
    "motion_videomae": videomae.MODEL,
    "audio_ast": audio_spectrogram.MODEL,
}


@dataclass(frozen=True)
class Published:
    """A folder as a user would fill it, a cache for graphs, and the networks loaded from both."""

    folder: Path
    cache: Path
    networks: dict[str, Network]

    def of(self, name: str) -> Path:
        return self.folder / MODELS[name].repository.replace("/", "--")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    made = Published(tmp_path_factory.mktemp("weights"), tmp_path_factory.mktemp("cache"), {})
    save_siglip(made.of("image_siglip"))
    save_videomae(made.of("motion_videomae"))
    save_ast(made.of("audio_ast"))
    yield made
    for path in (made.folder, made.cache):
        shutil.rmtree(path)


@pytest.fixture
def own_folder(files: Published, monkeypatch: pytest.MonkeyPatch) -> Published:
    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(files.folder))
    monkeypatch.setenv("CINEGRAIN_OFFLINE", "1")
    return files


def loaded(files: Published, name: str) -> Network:
    key = "image_siglip" if name == "location_siglip" else name
    if key not in files.networks:
        (files.networks[key],) = load_networks([name], files.cache)
    return files.networks[key]


def only(files: Published, name: str, **parts: Any) -> SceneEmbedding:
    (found,) = loaded(files, name).embed([make_scene(**parts)])[name]
    assert found is not None
    return found


def frame(seed: int, width: int = 300, height: int = 170) -> UInt8:
    return np.asarray(texture(seed, width, height), np.uint8)


def clip(seed: int) -> UInt8:
    return np.stack([frame(seed + i // 4, CLIP_WIDTH, CLIP_HEIGHT) for i in range(CLIP_FRAMES)])


def noise(seconds: float, seed: int = 0, loudness: float = 0.1) -> Float32:
    n = round(seconds * SOUND_RATE_HZ)
    return np.random.default_rng(seed).normal(0, loudness, n).astype(np.float32) + tone(500, n / 16_000, 16_000)[:n]


def close(found: Float32, expected: Any, tolerance: float = 1e-4) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    assert found.std() > 1e-3, "the answer should say something"
    np.testing.assert_allclose(found, expected, atol=tolerance * float(np.abs(expected).max()), rtol=tolerance)


def test_siglip_sees_what_transformers_sees(own_folder: Published) -> None:
    pictures = [frame(seed) for seed in (1, 2, 3)]
    folder = own_folder.of("image_siglip")
    model = transformers.SiglipModel.from_pretrained(folder)
    pixels = SiglipImageProcessorPil.from_pretrained(folder)(pictures, return_tensors="pt")["pixel_values"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = [tokenizer.encode(text).ids for place in PLACES for text in prompts(place)]
    with torch.inference_mode():
        answer = model(torch.tensor([row + [1] * (24 - len(row)) for row in rows]), pixels)
    close(only(own_folder, "image_siglip", frames=np.stack(pictures)).vector, answer.vision_model_output[1].mean(0))

    texts, images = answer.text_embeds.double().numpy(), answer.image_embeds.double().numpy()
    logits = np.zeros((len(pictures), len(PLACES)))
    for i, _place in enumerate(PLACES):
        direction = (texts[2 * i] + texts[2 * i + 1]) / 2
        logits[:, i] = images @ direction / np.linalg.norm(direction) * np.exp(3.0)
    shares = np.mean([np.exp(row) / np.exp(row).sum() for row in logits], axis=0)
    found = only(own_folder, "location_siglip", frames=np.stack(pictures))
    close(found.vector, logits.mean(0) - logits.mean())
    best = np.argsort(-shares)[:10]
    assert [concept.name for concept in found.concepts] == [PLACES[i] for i in best]
    np.testing.assert_allclose([concept.score for concept in found.concepts], shares[best], rtol=1e-3)
    other = only(own_folder, "location_siglip", frames=frame(9)[None] // 4)
    assert [c.name for c in other.concepts] != [c.name for c in found.concepts]


def test_videomae_sees_what_transformers_sees(own_folder: Published) -> None:
    clips = np.stack([clip(1), clip(20) // 3])
    folder = own_folder.of("motion_videomae")
    model = transformers.VideoMAEForVideoClassification.from_pretrained(folder)
    processor = VideoMAEImageProcessorPil.from_pretrained(folder)
    pixels = processor([list(c) for c in clips], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        logits = model(pixels).logits
        features = model.fc_norm(model.videomae(pixels).last_hidden_state.mean(1))
    found = only(own_folder, "motion_videomae", clips=clips)
    close(found.vector, features.mean(0))
    shares = logits.softmax(1).mean(0).numpy()
    assert [c.name for c in found.concepts] == [ACTIONS[i] for i in np.argsort(-shares)]
    np.testing.assert_allclose([c.score for c in found.concepts], np.sort(shares)[::-1], rtol=1e-3)
    backwards = only(own_folder, "motion_videomae", clips=clips[:, ::-1])
    assert np.abs(backwards.vector - found.vector).max() > 0.01, "the order of frames should matter"


def test_ast_hears_what_transformers_hears(own_folder: Published) -> None:
    sound = noise(1.2)
    folder = own_folder.of("audio_ast")
    model = transformers.ASTForAudioClassification.from_pretrained(folder)
    extractor = transformers.ASTFeatureExtractor.from_pretrained(folder)
    log_mel = extractor(sound, sampling_rate=SOUND_RATE_HZ, return_tensors="pt")["input_values"]
    with torch.inference_mode():
        features = model.audio_spectrogram_transformer(log_mel).pooler_output
        scores = model(log_mel).logits.sigmoid()[0].numpy()
    found = only(own_folder, "audio_ast", sound=sound)
    close(found.vector, features[0])
    assert [c.name for c in found.concepts] == [SOUNDS[i] for i in np.argsort(-scores)]
    np.testing.assert_allclose([c.score for c in found.concepts], np.sort(scores)[::-1], rtol=1e-3)


def test_long_sound_is_heard_in_equal_stretches(own_folder: Published) -> None:
    n = 40_000  # two stretches of 1.25 s where one holds 1.295 s
    sound = np.concatenate([noise(n / 2 / 16_000, 1), noise(n / 2 / 16_000, 2, 0.01)])
    whole = only(own_folder, "audio_ast", sound=sound)
    halves = [only(own_folder, "audio_ast", sound=half) for half in (sound[: n // 2], sound[n // 2 :])]
    close(whole.vector, (halves[0].vector + halves[1].vector) / 2)
    scores = [{c.name: c.score for c in half.concepts} for half in halves]
    for concept in whole.concepts:
        assert concept.score == pytest.approx(max(some[concept.name] for some in scores), rel=1e-3)
    assert only(own_folder, "audio_ast", sound=sound[:100]).vector.shape == (768,), "shorter than one window"


@pytest.mark.parametrize("name", PRESETS["strong"])
def test_scenes_get_means_and_none_of_nothing(own_folder: Published, name: str) -> None:
    network = loaded(own_folder, name)
    assert network.embed([make_scene()])[name] == [None]
    parts = [make_scene(frames=frame(seed)[None], clips=clip(seed)[None], sound=noise(0.5, seed)) for seed in (1, 30)]
    both = make_scene(frames=np.stack([frame(1), frame(30)]), clips=np.stack([clip(1), clip(30)]), sound=noise(0.5, 1))
    before, first, second, joined, after = network.embed([make_scene(), *parts, both, make_scene()])[name]
    assert before is None
    assert after is None
    assert first is not None
    assert second is not None
    assert joined is not None
    assert np.abs(first.vector - second.vector).max() > 0.01
    close(joined.vector, first.vector if name == "audio_ast" else (first.vector + second.vector) / 2)


@pytest.mark.parametrize("size", [(455, 256), (64, 64), (133, 100), (90, 300), (70, 66), (171, 128)])
def test_pictures_are_prepared_as_transformers_does(size: tuple[int, int]) -> None:
    picture = frame(5, *size)
    square = {"height": SIZE_PX, "width": SIZE_PX}
    for theirs in (
        SiglipImageProcessorPil(size=square),
        SiglipImageProcessorPil(size=square, do_rescale=True, rescale_factor=0.01, image_std=[0.2, 0.3, 0.4]),
        VideoMAEImageProcessorPil(size={"shortest_edge": SIZE_PX}, crop_size=square),
        VideoMAEImageProcessorPil(size={"shortest_edge": 70}, crop_size=square, resample=3, do_normalize=False),
    ):
        ours = read_processor(json.loads(theirs.to_json_string()), {}, size_px=SIZE_PX)
        expected = np.asarray(theirs([[picture]] if "VideoMAE" in type(theirs).__name__ else [picture])["pixel_values"])
        found = pretrained.standardise(torch.from_numpy(ours.prepare(picture).copy()), ours).numpy()
        np.testing.assert_allclose(found, expected.reshape(found.shape), atol=1e-5)


def test_preprocessors_that_make_another_picture_are_refused() -> None:
    good = {"size": {"height": 64, "width": 64}, "resample": 3, "rescale_factor": 0.1}
    good |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    assert read_processor(good, {}, size_px=64).size_px == (64, 64)
    for wrong in (
        {"size": {"height": 64, "width": 32}},
        {"size": {"shortest_edge": 64}},
        {"size": 10**9},
        {"size": "64"},
        {"do_center_crop": True, "crop_size": {"height": 64, "width": 64}, "size": {"shortest_edge": 32}},
        {"resample": 17},
        {"image_mean": [0.5]},
    ):
        with pytest.raises(ValueError, match=r"it makes pictures|not a valid|not enough values"):
            read_processor(good | wrong, {}, size_px=64)


def test_what_files_leave_out_is_what_transformers_takes_for_it(tmp_path: Path) -> None:
    def silent(model: HubModel, **config: Any) -> HubFiles:
        nowhere = tmp_path / "none"
        return HubFiles(model, nowhere, nowhere, {"model_type": model.model_type, **config}, nowhere, {}, None, "")

    labels = {"0": "a", "1": "b"}
    vision = siglip.read_values(silent(siglip.MODEL))
    theirs = transformers.SiglipConfig(vision_config={}, text_config={})
    square = theirs.vision_config.image_size
    assert (vision.size_px, vision.vocabulary) == (square, theirs.text_config.vocab_size)
    assert vision.n_tokens == theirs.text_config.max_position_embeddings
    assert vision.processor == processor_of(SiglipImageProcessorPil(), square)
    motion = videomae.read_values(silent(videomae.MODEL, id2label=labels))
    assert motion.size_px == transformers.VideoMAEConfig().image_size
    assert motion.processor == processor_of(VideoMAEImageProcessorPil(), motion.size_px)
    old = dict(json.loads(VideoMAEImageProcessorPil().to_json_string()), size=224)  # files of 2022 say no more
    assert read_processor(old, {}, size_px=224) == motion.processor
    sound = audio_spectrogram.read_values(silent(audio_spectrogram.MODEL, id2label=labels)).processor
    extractor = transformers.ASTFeatureExtractor()
    assert (sound.n_frames, sound.n_bands) == (extractor.max_length, extractor.num_mel_bins)
    assert (sound.mean, sound.deviation) == (extractor.mean, extractor.std)


def processor_of(theirs: Any, size_px: int) -> PictureProcessor:
    return read_processor(json.loads(theirs.to_json_string()), {}, size_px=size_px)


@pytest.mark.parametrize("n", [400, 559, 560, 16_000, 47_111])
@pytest.mark.parametrize("loudness", [1e-6, 0.1, 1.0])
def test_log_mel_equals_the_numpy_path_of_transformers(n: int, loudness: float) -> None:
    sound = (noise(4.0, n) * loudness)[:n] + np.float32(0.01)  # an offset that each frame must lose
    theirs = transformers.ASTFeatureExtractor(do_normalize=False, max_length=1 + (n - 400) // 160)
    expected = theirs(sound, sampling_rate=SOUND_RATE_HZ)["input_values"][0]
    # Theirs keeps spectra in complex64 and takes a logarithm of what is left near its floor.
    np.testing.assert_allclose(kaldi_fbank(sound, n_bands=128), expected, atol=2e-3 if loudness < 1e-3 else 5e-4)


@pytest.mark.parametrize("name", MODELS)
def test_missing_files_are_named_and_nothing_is_left(
    own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = copy_of(own_folder, name, tmp_path, monkeypatch)
    for file in MODELS[name].files:
        assert is_cached(file, tmp_path / "cache")
        (folder / file.published_name).rename(tmp_path / "aside")
        assert not is_cached(file, tmp_path / "cache")
        message = f"put {file.published_name} into the sub-folder {folder.name} of a folder and set CINEGRAIN_WEIGHTS"
        with pytest.raises(WeightsError, match=message):
            load_networks([name], tmp_path / "cache")
        assert not list((tmp_path / "cache").rglob("*"))
        (tmp_path / "aside").rename(folder / file.published_name)


def copy_of(files: Published, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "own" / files.of(name).name
    folder.mkdir(parents=True)
    for path in files.of(name).iterdir():
        (folder / path.name).symlink_to(path)
    monkeypatch.setenv("CINEGRAIN_WEIGHTS", str(folder.parent))
    return folder


Damage = Callable[[dict[str, torch.Tensor]], None]
HEAD = {
    "image_siglip": "vision_model.head.mlp.fc1.weight",
    "motion_videomae": "classifier.weight",
    "audio_ast": "classifier.dense.weight",
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("damage", ["missing", "shape", "extra", "nan", "truncated", "pickle"])
def test_wrong_weights_are_refused(
    own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    folder = copy_of(own_folder, name, tmp_path, monkeypatch)
    path, head = folder / "model.safetensors", HEAD[name]
    tensors = load_file(path)
    content = path.read_bytes()
    path.unlink()
    message = {
        "missing": rf"missing keys: {head}",
        "shape": "do not fit config.json",
        "extra": r"1 unexpected keys: vision_model\.surprise",
        "nan": rf"{head} holds values that are not finite",
        "truncated": "cannot be read as safetensors",
        "pickle": "cannot be read as safetensors",
    }[damage]
    if damage == "truncated":
        path.write_bytes(content[:-1000])
    elif damage == "pickle":
        torch.save(tensors, path)
    else:
        if damage == "missing":
            del tensors[head]
        elif damage == "shape":
            tensors[head] = tensors[head][:-1].contiguous()
        elif damage == "extra":
            tensors["vision_model.surprise"] = torch.zeros(3)
        else:
            tensors[head][0, 0] = torch.nan
        save_file(tensors, path)
    with pytest.raises(WeightsError, match=message) as caught:
        load_networks([name], tmp_path / "cache")
    assert str(path) in str(caught.value)
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()], "nothing half-written"


def rewrite(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_text()) | changes
    path.unlink()
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "siglip"}, "its model_type is 'siglip', not 'videomae'"),
        ({"model_type": None}, "its model_type is None"),
        ({"num_frames": 8}, "clips of 8 frames"),
        ({"hidden_size": 384}, "vectors of 384 numbers, but motion_videomae promises 768"),
        ({"image_size": 10**9}, "but the network takes 1000000000"),
        ({"num_hidden_layers": 60}, "a network of .* numbers is described, but the file holds"),
        ({"num_attention_heads": 7}, "do not fit config.json"),
        ({"hidden_act": "__import__"}, "do not fit config.json"),
        ({"layer_norm_eps": "1"}, "do not fit config.json"),
        ({"id2label": {"0": "a", "2": "b"}}, "id2label should name every output"),
        ({"id2label": {"0": "a", "1": "b"}}, "do not fit config.json"),
    ],
)
def test_another_configuration_is_refused(
    own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    folder = copy_of(own_folder, "motion_videomae", tmp_path, monkeypatch)
    rewrite(folder / "config.json", **changes)
    with pytest.raises(WeightsError, match=message) as caught:
        load_networks(["motion_videomae"], tmp_path / "cache")
    assert str(folder) in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.onnx"))


@pytest.mark.parametrize("content", ["", "[]", "{" * 100_000, "\xff\xfe", '{"a": ' * 50_000])
@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "tokenizer.json"])
def test_damaged_json_is_refused(
    own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: str
) -> None:
    path = copy_of(own_folder, "image_siglip", tmp_path, monkeypatch) / file
    path.unlink()
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(WeightsError) as caught:
        load_networks(["image_siglip"], tmp_path / "cache")
    assert str(path) in str(caught.value)


def test_a_repository_can_run_and_fetch_nothing(
    own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = only(own_folder, "motion_videomae", clips=clip(1)[None]).vector  # before the environment names the copy
    folder = copy_of(own_folder, "motion_videomae", tmp_path, monkeypatch)
    (folder / "modeling_trap.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    trap = {"AutoConfig": "modeling_trap.Config", "AutoModel": "modeling_trap.Model"}
    rewrite(
        folder / "config.json",
        auto_map=trap,
        attn_implementation="kernels-community/trap",
        _attn_implementation="kernels-community/trap",
        quantization_config={"quant_method": "gptq"},
        architectures=["Trap"],
    )
    (network,) = load_networks(["motion_videomae"], tmp_path / "cache")
    assert not (tmp_path / "ran").exists()
    (found,) = network.embed([make_scene(clips=clip(1)[None])])["motion_videomae"]
    assert found is not None
    close(found.vector, expected, 1e-6)
    names = {path.name for path in (tmp_path / "cache" / "graphs").iterdir()}
    assert names.isdisjoint(path.name for path in (own_folder.cache / "graphs").iterdir()), "other content, other key"


def test_files_of_the_same_name_in_other_repositories_stay_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer:
        length = 0

        def __init__(self, url: str) -> None:
            self.url, self._left = url, url.encode()

        def __enter__(self) -> "Answer":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self, _size: int) -> bytes:
            left, self._left = self._left, b""
            return left

    monkeypatch.delenv("CINEGRAIN_WEIGHTS", raising=False)
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Answer(url))
    sources = [f"hf:{repository}#config.json" for repository in ("a/b@main", "a/c@main", "a/b@0123456789abcdef")]
    paths = [fetch(WeightFile(source, "", 1000, "test"), tmp_path) for source in [*sources, sources[0]]]
    assert len(set(paths)) == 3
    assert paths[0] == paths[3]
    assert paths[0].name.endswith("-a--b@main--config.json")
    assert paths[2].read_text() == "https://huggingface.co/a/b/resolve/0123456789abcdef/config.json"


WITHOUT_LIBRARIES = """
import sys
sys.modules["transformers"] = sys.modules["tokenizers"] = sys.modules["torch"] = None
from pathlib import Path
from cinegrain.experts.registry import PRESETS, load_networks
from cinegrain.experts.selfcheck import check_experts
experts = PRESETS["strong"]
print(len(check_experts(experts, load_networks(experts, Path(sys.argv[1])))))
"""


def test_graphs_in_the_cache_need_neither_pytorch_nor_transformers(own_folder: Published) -> None:
    for name in PRESETS["strong"]:
        loaded(own_folder, name)
    command = [sys.executable, "-c", WITHOUT_LIBRARIES, str(own_folder.cache)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "4", done.stderr


@pytest.mark.parametrize("name", MODELS)
def test_without_transformers_the_message_says_what_to_install(
    own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cinegrain\[strong\]'"):
        load_networks([name], tmp_path)


def test_a_graph_that_answers_otherwise_is_not_kept(tmp_path: Path) -> None:
    def forward(model: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (model(x) * float(x.shape[0]),)  # the number of items is frozen by tracing

    with pytest.raises(WeightsError, match="away from PyTorch's answer"):
        pretrained.export_graph(
            torch.nn.Linear(3, 3),
            forward,
            tmp_path / "g.onnx",
            input_name="x",
            example=torch.ones(2, 3),
            output_names=["y"],
        )
    assert not list(tmp_path.iterdir())


def test_a_whole_film_through_the_strong_preset(
    own_folder: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shots = [texture(shot, 160, 90) for shot in (0, 1) for _ in range(40)]
    path = write_film(tmp_path / "film.mp4", shots, sound=tone(440, 3.2))
    experts, cards = PRESETS["strong"], expert_cards()
    assert needs_clips(experts)
    assert [cards[name].modality for name in experts] == ["audio", "location", "motion", "image"]
    assert not any(cards[name].substitute for name in experts)
    networks = list({id(network): network for network in (loaded(own_folder, name) for name in experts)}.values())
    assert len(networks) == 3, "one network sees images and places"
    here = Embedder(networks, experts, MediaSettings()).one(Job("t1", path))
    assert len(here.scenes) == 2

    monkeypatch.setenv("CINEGRAIN_CACHE", str(own_folder.cache))
    settings = Settings()
    settings = replace(settings, extract=replace(settings.extract, experts="strong", workers=1))
    run = Run.open(tmp_path / "run", create=True)
    summary = extract(run, [Trailer("t1", path, "")], settings, Silent())
    assert summary.n_new == 1, summary.failures
    dataset = EmbeddingDataset(run.dataset)
    worded = {row.expert for row in dataset.concepts()}
    for name in experts:
        expected = [embedding.vector for embedding in here.embeddings[name] if embedding is not None]
        assert np.isfinite(expected).all()
        assert np.shape(expected) == (2, cards[name].dimension)
        stored = dataset.vectors(name, ["t1"]).vectors
        np.testing.assert_allclose(stored, np.array(expected), atol=2e-3 * float(np.abs(expected).max()))  # float16
        assert (name in worded) == (cards[name].concepts is not None)
