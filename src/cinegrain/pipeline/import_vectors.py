"""Makes a run from vectors computed elsewhere, without reading any film."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cinegrain.config import Settings, load_settings, save_settings
from cinegrain.errors import ConfigError, DataError, StoreError
from cinegrain.experts.registry import PRESETS
from cinegrain.pipeline.extraction.extract import ExtractSummary
from cinegrain.pipeline.impute_and_clip import ImputeAndClip, Tally, fit_impute_and_clip, refuse_unfit
from cinegrain.pipeline.learning.train import learnable_genres
from cinegrain.pipeline.reading import keep_reading, or_kept
from cinegrain.pipeline.stages import RunSummary, model_films
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.readers.choose import open_vectors
from cinegrain.readers.foreign import ForeignTrailer, ForeignVectors
from cinegrain.runs.artifacts import key_of
from cinegrain.runs.catalog import Matched, save_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import OnStep, Watcher
from cinegrain.store.location import Location
from cinegrain.store.schema import EmbeddedTrailer, SceneRow, StoredExpert, TrailerRecord
from cinegrain.store.writer import DatasetWriter
from cinegrain.training.split import split_by_title
from cinegrain.types import MODALITIES, Float32, Modality, SceneEmbedding, Trailer

LEFT_OUT = "none"
NO_TIMES = "no_scene_times"
_SAMPLE_ROWS = 50_000
_FILMS_AT_ONCE = 100
_GUESSES: tuple[tuple[Modality, str], ...] = (
    ("audio", "audio sound vggish yamnet ivec mfcc blf music beats clap panns ast wav2vec passt"),
    ("location", "location place places places365 scene sun397"),
    ("motion", "motion video flow action kinetics r3d i3d s3d c3d r2plus1d slowfast videomae swin3d x3d timesformer"),
    (
        "image",
        "image img visual frame frames avf aesthetic alexnet resnet resnet50 imagenet clip dino vit siglip object",
    ),
)


@dataclass(frozen=True)
class VectorOptions:
    """Options of importing vectors.

    Attributes:
        form: One of the readers' formats, or auto.
        modality: Modality of each set of vectors by name; `none` leaves it out. Others are guessed by name.
        remap: For MMX pickles: old prefixes of tensor paths and their replacements.
        as_given: Whether to refuse unsuitable values instead of repairing them.
        reading: How to read the catalogue's columns and genres.
    """

    form: str = "auto"
    modality: Mapping[str, str] | None = None
    remap: Mapping[str, str] | None = None
    as_given: bool = False
    reading: Reading = AS_FOUND


def run_vectors(
    vectors: Path, catalog: Path | None, out: Path, settings: Settings, watcher: Watcher, options: VectorOptions
) -> RunSummary:
    """Runs all stages on imported vectors.

    Raises:
        CinegrainError: If the input cannot be used or the output not written.
    """
    with watcher.stage("Opening vectors") as on_step:
        reading = or_kept(options.reading, out)
        source = open_vectors(vectors, catalog, form=options.form, remap=options.remap, reading=reading)
        on_step(1, 1, f"{len(source.trailers)} films ({source.kind})")
    run = Run.open(out, create=True)
    keep_reading(reading, run)
    summary, notes = fill_dataset(run, source, settings, watcher, options)
    notes += model_films(run, load_settings(run.settings), watcher)
    return RunSummary(run.folder, len(source.trailers), summary, tuple(notes))


def fill_dataset(
    run: Run, source: ForeignVectors, settings: Settings, watcher: Watcher, options: VectorOptions
) -> tuple[ExtractSummary, list[str]]:
    """Writes every film's vectors into the run's dataset; if interrupted, the same call continues.

    Returns:
        Summary, and notes about values changed and films left out.

    Raises:
        ConfigError: If a set of vectors has no modality, or an unknown one.
        DataError: If the vectors cannot be used.
        StoreError: If the dataset has other vectors or settings, or cannot be written.
    """
    train = training_films(source.trailers, settings)
    with watcher.stage("Reading vectors") as on_step:
        sample = _sample(source, train, on_step)
        groups = _group(sample.dimensions, options.modality or {})
        parts = {name: group.fitted(sample, source.path, options.as_given) for name, group in groups.items()}
    digest, size, modified = _stamp(source.path)
    key = key_of(source.kind, options.as_given, train, sorted(groups))
    experts = [group.stored(name, source, key_of(digest, key)) for name, group in groups.items()]
    writer = _open_writer(run, experts, {"vectors": digest, "key": key})
    extract = replace(settings.extract, experts=",".join(groups))  # so that later stages know them
    save_settings(replace(settings, extract=extract), run.folder)
    stale = [name for name, record in writer.records.items() if not set(groups) <= set(record.experts)]
    writer.remove(stale)
    tallies = {name: Tally() for name in groups}
    n_new, empty = 0, []
    batch: list[EmbeddedTrailer] = []
    with watcher.stage("Storing vectors") as on_step:
        for done, film in enumerate(source.read(), start=1):
            joined = {name: group.rows(film) for name, group in groups.items()}
            if options.as_given:
                refuse_unfit({n: v for n, (_, v) in joined.items()}, f"{source.path}: {film.trailer.trailer_id!r}")
            cleaned = {}
            for name, (scenes, values) in joined.items():
                if len(scenes):
                    fitted = parts[name]
                    tallies[name].count(values, fitted)
                    cleaned[name] = (scenes, values if options.as_given else fitted(values))
            if not cleaned:
                empty.append(film.trailer.trailer_id)
            elif film.trailer.trailer_id not in writer.records:
                record = TrailerRecord(
                    film.trailer.trailer_id,
                    str(source.path.resolve()),
                    digest,
                    size,
                    modified,
                    0.0,
                    film.n_scenes,
                    (NO_TIMES,),
                    tuple(groups),
                )
                batch.append(EmbeddedTrailer(record, _scene_rows(film.n_scenes), _embeddings(cleaned, film.n_scenes)))
                n_new += 1
                if len(batch) >= _FILMS_AT_ONCE:
                    writer.append_many(batch)
                    batch = []
            on_step(done, len(source.trailers), film.trailer.title)
        writer.append_many(batch)
    if n_new:
        writer.compact()
    notes = [*source.notes, *(group.sentence(name) for name, group in groups.items())]
    if not options.as_given:
        notes += [s for name, tally in tallies.items() if (s := tally.sentence(name, parts[name]))]
    if empty:
        notes.append(f"{len(empty)} films have no vectors and are left out: {', '.join(empty[:3])}")
    save_matched(run.catalog, Matched(tuple(sorted(source.trailers, key=lambda t: t.trailer_id)), tuple(notes)))
    return ExtractSummary(len(writer.records), n_new, ()), notes


def training_films(trailers: Sequence[Trailer], settings: Settings) -> list[str]:
    """Ids of the training films, by the same split as in the training stage.

    Raises:
        DataError: If there are too few films or genres.
    """
    films = sorted(trailers, key=lambda t: t.trailer_id)
    genres, _ = learnable_genres(films)
    films = [film for film in films if set(film.genres) & set(genres)]
    labels = np.array([[genre in film.genres for genre in genres] for film in films], dtype=bool)
    split = split_by_title([film.title for film in films], labels, settings.split, seed=settings.seed)
    return [films[i].trailer_id for i in split.train]


def _open_writer(run: Run, experts: Sequence[StoredExpert], settings: Mapping[str, str]) -> DatasetWriter:
    """The dataset, which must have these experts and no others; changed vectors are deleted.

    Raises:
        StoreError: If it has others.
    """
    names = {expert.name for expert in experts}
    location = Location(run.dataset)
    if location.has_info():
        others = [expert.name for expert in location.read_info().experts if expert.name not in names]
        if others:
            raise StoreError(f"{run.folder} has vectors of {', '.join(others)}. Choose another --out.")
    return DatasetWriter(run.dataset, experts=experts, settings=settings)


@dataclass(frozen=True, eq=False)
class _Sample:
    """Dimensions of all vectors, and some rows of every training film."""

    dimensions: dict[str, int]
    rows: dict[str, dict[str, list[Float32]]]  # kind -> trailer_id -> rows


def _sample(source: ForeignVectors, train: Sequence[str], on_step: OnStep) -> _Sample:
    wanted, per_film = set(train), max(1, _SAMPLE_ROWS // max(1, len(train)))
    sample = _Sample({}, {})
    for done, film in enumerate(source.read(), start=1):
        for kind, rows in film.experts.items():
            sample.dimensions[kind] = rows.vectors.shape[1]
            if film.trailer.trailer_id in wanted:
                picked = np.linspace(0, len(rows.vectors) - 1, min(per_film, len(rows.vectors))).astype(int)
                sample.rows.setdefault(kind, {})[film.trailer.trailer_id] = list(rows.vectors[picked])
        on_step(done, len(source.trailers), film.trailer.title)
    if not sample.dimensions:
        raise DataError(f"{source.path} has no readable vectors. {' '.join(source.notes)[:600]}")
    return sample


@dataclass(frozen=True)
class _Group:
    """All sets of vectors of one modality, concatenated into one expert."""

    modality: Modality
    kinds: tuple[str, ...]
    dimensions: tuple[int, ...]
    guessed: bool

    def rows(self, film: ForeignTrailer) -> tuple[np.ndarray, Float32]:
        """Scenes with any of the sets, and their vectors; NaN for sets that a scene lacks."""
        there = [film.experts[kind].scenes for kind in self.kinds if kind in film.experts]
        scenes = np.unique(np.concatenate(there)) if there else np.zeros(0, np.int64)
        values = np.full((len(scenes), sum(self.dimensions)), np.nan, np.float32)
        start = 0
        for kind, d in zip(self.kinds, self.dimensions, strict=True):
            if kind in film.experts:
                values[np.searchsorted(scenes, film.experts[kind].scenes), start : start + d] = film.experts[
                    kind
                ].vectors
            start += d
        return scenes, values

    def fitted(self, sample: _Sample, path: Path, as_given: bool) -> ImputeAndClip:
        """Fitted imputation and clipping of each set, concatenated."""
        whole = []
        for kind, d in zip(self.kinds, self.dimensions, strict=True):
            rows = [row for rows in sample.rows.get(kind, {}).values() for row in rows]
            values = np.stack(rows) if rows else np.zeros((0, d), np.float32)
            if as_given:
                refuse_unfit({kind: values}, str(path))
                values = np.zeros((1, d), np.float32)
            whole.append(fit_impute_and_clip(values, f"{path}: {kind}"))
        names = ("middle", "low", "high", "centre", "spread")
        joined = {name: np.concatenate([getattr(part, name) for part in whole]) for name in names}
        return ImputeAndClip(**joined, standard_units=any(part.standard_units for part in whole))

    def stored(self, name: str, source: ForeignVectors, key: str) -> StoredExpert:
        """The expert as stored in the dataset."""
        return StoredExpert(
            name=name,
            modality=self.modality,
            dimension=sum(self.dimensions),
            needs="vectors",
            description=f"Vectors as given in {source.path.name}: {', '.join(self.kinds)}.",
            licence="as given",
            citation="as given",
            key=key,
        )

    def sentence(self, name: str) -> str:
        """Note on how the sets became an expert."""
        how = "guessed from the name" if self.guessed else "as given"
        return f"{', '.join(self.kinds)}: used as {self.modality} ({how})" + (
            f", concatenated into one expert {name}" if len(self.kinds) > 1 else ""
        )


def _group(dimensions: Mapping[str, int], told: Mapping[str, str]) -> dict[str, _Group]:
    """One expert per modality; sets in the order of their names."""
    for kind, mode in told.items():
        if kind not in dimensions:
            raise ConfigError(f"--modality names {kind!r}, but the vectors are: {', '.join(sorted(dimensions))}.")
        if mode not in (*MODALITIES, LEFT_OUT):
            raise ConfigError(f"--modality {kind}={mode}: use one of {', '.join((*MODALITIES, LEFT_OUT))}.")
    modes = {kind: told.get(kind) or guess_modality(kind) for kind in sorted(dimensions)}
    unknown = [kind for kind, mode in modes.items() if mode is None]
    if unknown:
        raise ConfigError(
            f"The modality of {unknown[0]!r} cannot be guessed from its name. Give it with --modality "
            f"{unknown[0]}=image (or audio, location, motion; none leaves it out)."
        )
    result = {}
    for modality in MODALITIES:
        kinds = tuple(kind for kind, mode in modes.items() if mode == modality)
        if kinds:
            sizes = tuple(dimensions[kind] for kind in kinds)
            name = "+".join(kinds)
            result[f"{name}_vectors" if name in PRESETS else name] = _Group(
                modality, kinds, sizes, not set(kinds) <= set(told)
            )
    if not result:
        raise ConfigError("--modality leaves out all vectors. Keep at least one set.")
    return result


def guess_modality(name: str) -> Modality | None:
    """Modality of a set of vectors by its name.

    >>> guess_modality("ivec_gmm32_d20"), guess_modality("test-video-embeddings"), guess_modality("thing")
    ('audio', 'motion', None)
    """
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    return next((modality for modality, known in _GUESSES if words & set(known.split())), None)


def _scene_rows(n: int) -> list[SceneRow]:
    """Scenes in order; their times are unknown, so each lasts one second."""
    return [SceneRow(i, float(i), float(i + 1)) for i in range(n)]


def _embeddings(
    cleaned: Mapping[str, tuple[np.ndarray, Float32]], n_scenes: int
) -> dict[str, list[SceneEmbedding | None]]:
    result: dict[str, list[SceneEmbedding | None]] = {}
    for name, (scenes, vectors) in cleaned.items():
        column: list[SceneEmbedding | None] = [None] * n_scenes
        for scene, vector in zip(scenes.tolist(), vectors, strict=True):
            column[scene] = SceneEmbedding(vector)
        result[name] = column
    return result


def _stamp(path: Path) -> tuple[str, int, int]:
    """Hash, size and modification time of a file, or of all files of a folder."""
    digest, size, modified = hashlib.sha256(), 0, 0
    for file in _files(path):
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode("utf-8", "surrogateescape"))
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
        status = file.stat()
        size, modified = size + status.st_size, max(modified, status.st_mtime_ns)
    return digest.hexdigest(), size, modified


def _files(path: Path) -> Iterator[Path]:
    return iter(sorted(p for p in path.rglob("*") if p.is_file())) if path.is_dir() else iter([path])
