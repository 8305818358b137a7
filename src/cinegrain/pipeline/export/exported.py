"""Predicts genres with an exported model, without PyTorch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from cinegrain.errors import ConfigError, ShapeError, StoreError
from cinegrain.experts.registry import expert_cards
from cinegrain.experts.runtime import Runtime, Session
from cinegrain.explain.familiarity import Familiarity
from cinegrain.explain.shapley import MAX_PLAYERS, coalition_masks, shapley_values
from cinegrain.media.files import file_sha256, plain_text
from cinegrain.media.remote import source, source_name, source_text
from cinegrain.pipeline.answers.film_workers import new_job
from cinegrain.pipeline.answers.predict import Predictor
from cinegrain.pipeline.extraction.jobs import WorkerSetup
from cinegrain.pipeline.extraction.workers import WorkerPool, embedding_pool
from cinegrain.pipeline.learning.sure import FAMILIARITY_FILE, make_prediction
from cinegrain.results import Prediction, from_json, genre_answers
from cinegrain.runs.artifacts import key_of, read_json
from cinegrain.runs.layout import EXPORT_FILE
from cinegrain.settings import ExtractSettings, MediaSettings, current_section
from cinegrain.store.schema import EmbeddedTrailer
from cinegrain.training.calibrate import Calibration, StoredCalibration
from cinegrain.types import Bool, Float32, Float64, JsonObject, Source
from cinegrain.urls import cache_folder

EXPORT_FORMAT = 2
GRAPH_FILE = "model.onnx"
_MAX_GRAPH_BYTES = 1 << 30
_OPERATORS = frozenset(
    (
        *("Add", "And", "Cast", "Clip", "Concat", "Constant", "Div", "Einsum", "Equal", "Erf"),
        *("Exp", "Expand", "Flatten", "Gather", "Gemm", "Greater", "Identity", "MatMul", "Max", "Min", "Mul", "Not"),
        *("ReduceL2", "ReduceMean", "ReduceSum", "Relu", "Shape", "Sigmoid", "Slice", "Squeeze", "Sub", "Unsqueeze"),
        "Where",
    )
)


@dataclass(frozen=True, eq=False)
class GenreScores:
    """Calibrated probabilities (n, g), and Shapley values of experts on their logits (n, e, g)."""

    probabilities: Float64
    influence: Float64


class ExportedModel:
    """A folder that `cinegrain export` wrote."""

    def __init__(self, folder: Path) -> None:
        """Opens the folder.

        Raises:
            StoreError: If it is not an exported model of this format, or is damaged.
        """
        if not (folder / EXPORT_FILE).is_file():
            raise StoreError(
                f"{folder} is not an exported model (no {EXPORT_FILE}). Create one with `cinegrain export`."
            )
        self.card: JsonObject = read_json(folder / EXPORT_FILE)
        if not isinstance(self.card, dict) or self.card.get("format") != EXPORT_FORMAT:
            raise StoreError(
                f"{folder} is not an exported model of format {EXPORT_FORMAT}. Export it again, "
                "from a run made with this version."
            )
        try:
            self.genres = tuple(map(str, self.card["genres"]))
            self.experts = tuple(str(expert["name"]) for expert in self.card["experts"])
            self.modality_of = {str(expert["name"]): str(expert["modality"]) for expert in self.card["experts"]}
            self._dimensions = [int(expert["dimension"]) for expert in self.card["experts"]]
            self.thresholds = np.array(self.card["thresholds"], dtype=np.float64)
            calibration = self.card.get("calibration")
            stored = from_json(StoredCalibration, calibration) if calibration else None
            self.calibration = Calibration.from_stored(stored, len(self.genres))
            self.media = MediaSettings(**current_section("media", self.card["media"]))
            self._familiarity = Familiarity.from_bytes((folder / FAMILIARITY_FILE).read_bytes(), self.experts)
        except (KeyError, TypeError, ValueError, OSError, ShapeError) as error:
            raise StoreError(f"The exported model in {folder} is damaged: {error!r}. Export it again.") from error
        self._session = _open_graph(folder / GRAPH_FILE)
        self.key = key_of(self.card, file_sha256(folder / GRAPH_FILE))

    def logits(self, means: Mapping[str, Float32], present: Bool) -> Float64:
        """Uncalibrated logits.

        Args:
            means: By expert, mean scene vectors, shape (n, d_e); arbitrary for an absent one.
            present: Shape (n, e).

        Returns:
            Shape (n, g).
        """
        inputs = {f"mean_{name}": np.asarray(means[name], dtype=np.float32) for name in self.experts}
        found = self._session.run(None, {**inputs, "present": np.asarray(present, dtype=bool)})[0]
        return np.asarray(found, dtype=np.float64)

    def genre_answer(self, means: Mapping[str, Float32], present: Bool) -> GenreScores:
        """Probabilities and influence for n films; arguments as in `logits`."""
        raw = self.logits(means, present)
        n, e = present.shape
        influence = np.zeros((n, e, len(self.genres)))
        if e <= MAX_PLAYERS:
            values = np.stack([self.logits(means, present & some) for some in coalition_masks(e)])  # (c, n, g)
            influence = self.calibration.scale(np.moveaxis(shapley_values(values), 0, 1)) * present[..., None]
        return GenreScores(self.calibration.apply_logits(raw), influence)

    def workers(self, n_films: int) -> WorkerPool[EmbeddedTrailer]:
        """Workers that embed so many films for this model.

        Raises:
            ConfigError: If the model's vectors cannot be computed here.
        """
        self._check_experts()
        extract = ExtractSettings(precision=self.card["precision"])
        n_workers = max(1, min(extract.n_workers, n_films))
        runtime = Runtime.of(extract, threads=max(1, extract.n_workers // n_workers))
        setup = WorkerSetup(self.experts, self.media, cache_folder(), runtime, extract.download_limit_bytes)
        return embedding_pool(setup, workers=n_workers)

    def answer(self, place: Source) -> Prediction:
        """Genres of a film with reasons; reads it in a separate process.

        Raises:
            MediaError: If it cannot be read.
            ConfigError: If the model's vectors cannot be computed here.
        """
        with self.workers(1) as workers:
            return self.answer_to(workers.one(new_job(place)))

    def answer_to(self, found: EmbeddedTrailer) -> Prediction:
        """Genres of an embedded film with reasons."""
        place = source(found.record.path)
        means = {name: _mean(found, name, d) for name, d in zip(self.experts, self._dimensions, strict=True)}
        present = np.array([[not np.isnan(means[name][0, 0]) for name in self.experts]])
        answer = self.genre_answer(means, present)
        return make_prediction(
            genre_answers(
                self.genres, self.modality_of, answer.probabilities[0], self.thresholds.tolist(), answer.influence[0]
            ),
            self.modality_of,
            means,
            self._familiarity,
            path=source_text(place),
            title=plain_text(Path(source_name(place)).stem),
            duration_s=found.record.duration_s,
            n_scenes=found.record.n_scenes,
            flags=found.record.flags,
        )

    def _check_experts(self) -> None:
        known = expert_cards()
        for expert in self.card["experts"]:
            name, version = expert["name"], expert.get("version")
            if name not in known:
                raise ConfigError(
                    f"This model needs vectors of {name!r}, and no such expert is installed. Install the package that "
                    "has it."
                )
            if known[name].version != version:
                raise ConfigError(
                    f"This model needs version {version} of {name}; version {known[name].version} is installed. "
                    "Use the version of Cinegrain that exported it, or export it again."
                )


@contextmanager
def exported_predictor(folder: Path, *, n_films: int) -> Iterator[Predictor]:
    """Predictor of an exported model.

    Args:
        folder: Folder of the model.
        n_films: Number of films.

    Raises:
        StoreError: If it is not an exported model, or is damaged.
        ConfigError: If the model's vectors cannot be computed here.
    """
    model = ExportedModel(folder)
    with model.workers(n_films) as workers:
        workers.start(n_films)
        yield Predictor(workers, model.answer_to, model.key)


def _mean(found: EmbeddedTrailer, name: str, dimension: int) -> Float32:
    """Mean scene vector, shape (1, d), through float16 like the training films; NaN if absent."""
    there = [e.vector.astype(np.float16) for e in found.embeddings[name] if e is not None]
    if not there:
        return np.full((1, dimension), np.nan, dtype=np.float32)
    return np.asarray(np.mean(np.stack(there).astype(np.float64), axis=0, keepdims=True), dtype=np.float32)


def _open_graph(path: Path) -> Session:
    """Opens an untrusted graph: allows only plain arithmetic, no other files and no loops.

    Raises:
        StoreError: If it is missing, too large, damaged, or has anything else.
    """
    import onnxruntime

    try:
        if path.stat().st_size > _MAX_GRAPH_BYTES:
            raise StoreError(f"{path} is larger than any exported model. Export it again.")
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
        odd = {node.op_type for node in model.graph.node if node.domain} | {
            node.op_type for node in model.graph.node if node.op_type not in _OPERATORS
        }
        if odd or any(tensor.external_data for tensor in model.graph.initializer) or model.functions:
            raise StoreError(
                f"{path} has operators that a genre model does not need ({', '.join(sorted(odd)) or 'references'})."
            )
        session: Session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return session
    except StoreError:
        raise
    except Exception as error:  # protobuf and onnxruntime raise errors of many kinds
        raise StoreError(f"{path} cannot be read: {error}. Export the model again.") from error
