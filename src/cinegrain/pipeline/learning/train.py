"""The training stages: genre model and fine-tuning."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cinegrain.config import Settings, keyed
from cinegrain.errors import DataError
from cinegrain.explain.familiarity import films_to_compare, fit_familiarity
from cinegrain.metrics.multilabel import best_thresholds
from cinegrain.models.genre_model import ModelSpec
from cinegrain.pipeline.learning.pooled import StoredScenes, mapped_arrays
from cinegrain.pipeline.learning.sure import FAMILIARITY_FILE
from cinegrain.runs.artifacts import is_current, key_of, write_bytes
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Watcher
from cinegrain.runs.provenance import provenance
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.arrays import TrailerArrays
from cinegrain.training.calibrate import fit_calibration
from cinegrain.training.checkpoint import CARD_FILE, CoarseCard, FinetunedCard, load_model, save_model
from cinegrain.training.coarse import train_coarse
from cinegrain.training.devices import ALONE, Devices
from cinegrain.training.finetune import finetune
from cinegrain.training.finetuned import Finetuned, NothingToContrastError
from cinegrain.training.infer import predict_genres
from cinegrain.training.same_franchise import franchises
from cinegrain.training.split import split_by_title
from cinegrain.types import Bool, Int64, Trailer

MIN_FILMS_PER_GENRE = 2


@dataclass(frozen=True, eq=False)
class RunData:
    """The films of a run that have embeddings, as arrays.

    Attributes:
        trailers: n films, sorted by id.
        arrays: Their vectors.
        modalities: Modality of each expert, in the order of the arrays.
        genres: The g learnable genres.
        labels: Shape (n, g).
        left_out: Genres with too few films, with their numbers.
        key: Hash of all of this.
    """

    trailers: tuple[Trailer, ...]
    arrays: TrailerArrays
    modalities: dict[str, str]
    genres: tuple[str, ...]
    labels: Bool
    left_out: dict[str, int]
    key: str

    @property
    def everything(self) -> Int64:
        """All rows."""
        return np.arange(len(self.trailers), dtype=np.int64)

    @property
    def trailer_ids(self) -> list[str]:
        """Ids of the films."""
        return [trailer.trailer_id for trailer in self.trailers]

    @property
    def modes(self) -> list[str]:
        """Modality of each expert, in the order of the arrays."""
        return [self.modalities[name] for name in self.arrays.experts]

    @property
    def labelled(self) -> Int64:
        """Rows of films with at least one learnable genre."""
        return np.flatnonzero(self.labels.any(axis=1)).astype(np.int64)


def load_data(run: Run, trailers: Sequence[Trailer], experts: Sequence[str]) -> RunData:
    """Loads the films of a run's catalogue from its dataset.

    Scenes are read on first use, one expert at a time; mean vectors are memory-mapped files, so that methods that need
    only those use little memory for any number of films.

    Args:
        run: The run.
        trailers: The films.
        experts: Experts; only films that all of them have processed are used.

    Raises:
        StoreError: If there is no dataset.
        DataError: If it has none of the films, or fewer than two genres with at least two films.
    """
    dataset = EmbeddingDataset(run.dataset)
    have, found, films = seen_films(dataset, trailers, experts)
    stored = [expert for expert in dataset.experts if expert.name in experts]
    names = [expert.name for expert in stored]

    def means() -> TrailerArrays:
        ids = [trailer.trailer_id for trailer in have]
        return mapped_arrays(run, ids, names, key=films)

    genres, left_out = learnable_genres(have)
    labels = np.array([[genre in trailer.genres for genre in genres] for trailer in have], dtype=bool)
    key = key_of([(expert.name, expert.key) for expert in stored], films, _key((t.title, t.genres) for t in have))
    modalities = {expert.name: expert.modality for expert in stored}
    scenes = StoredScenes(dataset, tuple(names), have) if pc.max(found["n_scenes"]).as_py() > 1 else means().experts
    arrays = TrailerArrays(scenes, means)
    return RunData(have, arrays, modalities, genres, labels.reshape(len(have), -1), left_out, key)


def seen_films(
    dataset: EmbeddingDataset, trailers: Sequence[Trailer], experts: Sequence[str]
) -> tuple[tuple[Trailer, ...], pa.Table, str]:
    """Films that all given experts have processed, their dataset rows, and a hash of both.

    Raises:
        DataError: If there are none.
    """
    seen = dataset.seen_by(experts)
    place = pc.index_in(pa.array([trailer.trailer_id for trailer in trailers], pa.string()), seen["trailer_id"])
    have = tuple(compress(trailers, pc.is_valid(place).to_pylist()))
    if not have:
        raise DataError("No film of the catalogue could be read; see failures.csv.")
    found = seen.take(place.drop_null())
    return have, found, _key(zip(found["trailer_id"].to_pylist(), found["sha256"].to_pylist(), strict=True))


def _key(rows: Iterable[object]) -> str:
    """Hash of any number of rows, which are not kept in memory."""
    whole = hashlib.sha256()
    for row in rows:
        whole.update(json.dumps(row).encode() + b"\n")
    return whole.hexdigest()[:16]


def learnable_genres(trailers: Sequence[Trailer]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Genres with enough films, sorted; and those with too few, with their numbers.

    Raises:
        DataError: If fewer than two have enough.
    """
    counts = Counter(genre for trailer in trailers for genre in trailer.genres)
    genres = tuple(sorted(genre for genre, n in counts.items() if n >= MIN_FILMS_PER_GENRE))
    if len(genres) < 2:
        found = ", ".join(f"{genre} ({n})" for genre, n in sorted(counts.items())) or "none"
        raise DataError(
            f"A genre model needs at least two genres with {MIN_FILMS_PER_GENRE} films each; found: {found}. "
            "Add films, or check the catalogue's column genres."
        )
    return genres, {genre: n for genre, n in sorted(counts.items()) if n < MIN_FILMS_PER_GENRE}


def train(run: Run, data: RunData, settings: Settings, watcher: Watcher, devices: Devices = ALONE) -> str:
    """Trains the genre model, unless done already for these inputs.

    Args:
        run: The run.
        data: Its films.
        settings: Settings of split, model and training.
        watcher: Receives progress.
        devices: Processes that train together, each of which calls this; the main one writes.

    Returns:
        Key of the model.

    Raises:
        DataError: If there are too few films.
    """
    parts = [keyed(settings, section) for section in ("split", "model", "train")]
    key = key_of("coarse, calibrated, familiar, held back", data.key, settings.seed, *parts)
    if is_current(run.coarse / CARD_FILE, key):
        return key
    rows = data.labelled
    local = split_by_title(
        [data.trailers[i].title for i in rows], data.labels[rows], settings.split, seed=settings.seed
    )
    split = type(local)(rows[local.train], rows[local.val], rows[local.test])
    spec = ModelSpec(data.arrays.dimensions, data.modalities, data.genres, settings.model)
    with watcher.stage("Genre model") as on_step:
        result = train_coarse(
            data.arrays, data.labels, split, spec, settings.train, seed=settings.seed, on_epoch=on_step, devices=devices
        )
    if not devices.is_main:
        return key
    ids = data.trailer_ids
    on_val = predict_genres(result.model, data.arrays, split.val)
    calibration = fit_calibration(data.labels[split.val], on_val, data.labels[split.train])
    card = CoarseCard(
        key=key,
        calibration=calibration.to_stored(),
        thresholds=tuple(best_thresholds(data.labels[split.val], calibration.apply(on_val)).tolist()),
        best_epoch=result.best_epoch,
        history=result.history,
        split={part: tuple(ids[i] for i in getattr(split, part)) for part in ("train", "val", "test")},
        provenance=provenance(settings.seed),
    )
    kept, judged = films_to_compare(split.train, split.val, seed=settings.seed)
    rows = np.concatenate([kept, judged])
    means = {name: data.arrays.means(name, rows) for name in data.arrays.experts}
    familiarity = fit_familiarity(means, np.arange(len(kept)), np.arange(len(kept), len(rows)), seed=settings.seed)
    write_bytes(run.coarse / FAMILIARITY_FILE, familiarity.to_bytes())
    save_model(run.coarse, result.model, card)
    return key


def fine_tune(run: Run, data: RunData, settings: Settings, watcher: Watcher) -> str:
    """Fine-tunes the embedding in which sub-genres are found, unless done already for these inputs.

    If a method contrasts views and too few films have two scenes, the genre model is used unchanged, with a message.

    Returns:
        Key of the fine-tuned model.

    Raises:
        StoreError: If there is no genre model.
    """
    coarse, card = load_model(run.coarse, CoarseCard)
    key = key_of("finetuned by method", card.key, settings.seed, keyed(settings, "finetune"))
    if is_current(run.finetuned / CARD_FILE, key):
        return key
    position = {trailer.trailer_id: i for i, trailer in enumerate(data.trailers)}
    labelled = np.array([position[t] for t in card.split["train"] if t in position], dtype=np.int64)
    with watcher.stage("Fine-tuning") as on_step:
        try:
            found = finetune(
                coarse,
                data.arrays,
                data.labels,
                labelled,
                settings.finetune,
                seed=settings.seed,
                franchises=franchises(data.trailers),
                on_epoch=on_step,
            )
        except NothingToContrastError as error:
            watcher.say(f"{error} The genre model is used unchanged.")
            found = Finetuned(coarse, ())
    finetuned_card = FinetunedCard(
        key=key,
        coarse_key=card.key,
        method=settings.finetune.method,
        history=tuple(epoch.to_dict() for epoch in found.history),
        provenance=provenance(settings.seed),
    )
    save_model(run.finetuned, found.model, finetuned_card)
    return key
