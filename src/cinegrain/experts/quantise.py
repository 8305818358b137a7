"""Static 8-bit quantisation of graphs with a user's films, kept only if vectors hardly change.

Takes fp32 graphs in the cache and scenes; writes NAME.int8.onnx and NAME.int8.json beside each graph.
"""

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from cinegrain.errors import DataError
from cinegrain.experts.base import Family, Network
from cinegrain.experts.rounding import round_weights
from cinegrain.experts.runtime import EIGHT_BIT_FORMAT, Feed, QuantisedGraph, Runtime, eight_bit_path, note_path
from cinegrain.runs.artifacts import write_text
from cinegrain.types import Scene

MIN_COSINE = 0.99
MAX_ITEMS = 256
_BATCH = 4
# The first layers have the widest range of values; if 8 bits lose too much, the first three stay in fp32.
_FIRST_IN_FP32 = (0, 3)


class _Sample:
    """Uniform sample of all inputs of a graph (reservoir sampling, algorithm R)."""

    def __init__(self, name: str, size: int, seed: int) -> None:
        self.name = name
        self.items: list[NDArray[np.generic]] = []
        self._size, self._seen = size, 0
        self._random = np.random.default_rng(seed)

    def add(self, batch: NDArray[np.generic]) -> None:
        for item in batch:
            self._seen += 1
            if len(self.items) < self._size:
                self.items.append(item.copy())
            elif (place := int(self._random.integers(self._seen))) < self._size:
                self.items[place] = item.copy()

    def batches(self) -> Iterator[dict[str, NDArray[np.generic]]]:
        for start in range(0, len(self.items), _BATCH):
            yield {self.name: np.stack(self.items[start : start + _BATCH])}


def quantise_family(
    family: Family, cache: Path, calibration: Sequence[Sequence[Scene]], held_out: Sequence[Sequence[Scene]]
) -> list[QuantisedGraph]:
    """Creates the 8-bit graphs of one family and measures the change of its vectors.

    A graph is not kept if the mean cosine between 8-bit and fp32 vectors of held-out scenes is below MIN_COSINE for any
    of its experts; the note beside it says so, and the fp32 graph is used.

    Args:
        family: Experts that share a network.
        cache: The cache folder.
        calibration: Groups of scenes for calibration.
        held_out: Groups of other scenes for the measurement.

    Returns:
        One note per graph; none if the family has no graphs.

    Raises:
        DataError: If the scenes have nothing that the family can use.
    """
    samples: dict[Path, _Sample] = {}

    def watch(graph: Path, feed: Feed) -> None:
        for name, batch in feed.items():
            samples.setdefault(graph, _Sample(name, MAX_ITEMS, seed=0)).add(batch)

    watched = family.load(cache, Runtime(watch=watch))
    for group in calibration:
        watched.embed(group)
    if not samples:
        if family.cards and family.cards[0].weights:
            raise DataError(
                f"These films have nothing that {family.cards[0].name} can use. Choose films with pictures and sound."
            )
        return []
    try:
        for n_exact in _FIRST_IN_FP32:
            notes = _try(family, cache, samples, held_out, n_exact)
            if all(note.kept for note in notes):
                break
    except BaseException:
        for graph in samples:
            note_path(graph).unlink(missing_ok=True)
            eight_bit_path(graph).unlink(missing_ok=True)
        raise
    for note in notes:
        _write_note(cache / "graphs" / note.graph, note)
        if not note.kept:
            eight_bit_path(cache / "graphs" / note.graph).unlink()
    return notes


def _try(
    family: Family, cache: Path, samples: Mapping[Path, _Sample], held_out: Sequence[Sequence[Scene]], n_exact: int
) -> list[QuantisedGraph]:
    """Creates the graphs with the first n convolutions in fp32, and measures."""
    for graph, sample in samples.items():
        _write_eight_bits(graph, sample, n_exact)
        _write_note(graph, QuantisedGraph(EIGHT_BIT_FORMAT, graph.name, True, "", 0, {}, {}))  # else it does not load
    cosines = _cosines(family.load(cache, Runtime()), family.load(cache, Runtime(precision="int8")), held_out)
    kept = bool(cosines) and all(column.mean() >= MIN_COSINE for column in cosines.values())
    return [
        QuantisedGraph(
            format=EIGHT_BIT_FORMAT,
            graph=graph.name,
            kept=kept,
            sha256=hashlib.sha256(eight_bit_path(graph).read_bytes()).hexdigest() if kept else "",
            n_items=len(sample.items),
            cosine={name: float(column.mean()) for name, column in cosines.items()},
            lowest_cosine={name: float(column.min()) for name, column in cosines.items()},
        )
        for graph, sample in samples.items()
    ]


def _write_note(graph: Path, note: QuantisedGraph) -> None:
    write_text(note_path(graph), json.dumps(asdict(note), indent=2) + "\n")


def _write_eight_bits(graph: Path, sample: _Sample, n_exact: int) -> None:
    """Static quantisation: 8-bit weights, one scale for each output channel; activations with the sample's ranges."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = sample.batches()

        def get_next(self) -> Mapping[str, NDArray[np.generic]] | None:
            return next(self._batches, None)

    model = onnx.load(str(graph))
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type} {number}"
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    rounded = round_weights(model, sample.batches(), exact=convolutions[:n_exact])
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it warns through the root logger that the graph was not optimised first
    try:
        with tempfile.TemporaryDirectory(dir=graph.parent, prefix=".graph-") as folder:
            part = Path(folder) / graph.name
            quantize_static(
                rounded.model,
                str(part),
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=rounded.left_out,
                extra_options={"TensorQuantOverrides": rounded.ranges},
            )
            part.replace(eight_bit_path(graph))
    finally:
        root.setLevel(level)


def _cosines(exact: Network, short: Network, groups: Sequence[Sequence[Scene]]) -> dict[str, NDArray[np.float64]]:
    """By expert, cosine of the two networks' vectors for each scene that has one."""
    found: dict[str, list[float]] = {}
    for group in groups:
        others = short.embed(group)
        for name, column in exact.embed(group).items():
            for one, other in zip(column, others[name], strict=True):
                if one is not None and other is not None:
                    a, b = one.vector.astype(np.float64), other.vector.astype(np.float64)
                    found.setdefault(name, []).append(float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-30)))
    return {name: np.array(values) for name, values in found.items()}
