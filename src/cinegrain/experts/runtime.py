"""Runs networks: engine, precision, threads.

Opens a graph in the cache as a session whose `run(None, {name: items})` returns its outputs.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from cinegrain.errors import ConfigError, WeightsError
from cinegrain.extras import require
from cinegrain.settings import Engine, ExtractSettings, Precision
from cinegrain.types import Float32

Feed = Mapping[str, NDArray[np.generic]]

# 2: products cannot overflow on any processor (see `rounding`). 1, which notes do not name, overflowed without VNNI.
EIGHT_BIT_FORMAT = 2


class Session(Protocol):
    """An open graph with ONNX Runtime's interface."""

    def run(self, outputs: None, feed: Feed, /) -> Sequence[Float32]:
        """All outputs for one batch, in the graph's order."""
        ...


@dataclass(frozen=True)
class Runtime:
    """How to run networks.

    Attributes:
        threads: Number of threads per call.
        engine: ONNX Runtime, or OpenVINO (extra `cinegrain[openvino]`), which is faster on clips.
        precision: int8 needs graphs from `cinegrain experts quantise`.
        watch: Called with each batch that enters a graph, for calibration.

    Raises:
        ConfigError: If OpenVINO is not installed, or a name is unknown.
    """

    threads: int = 1
    engine: Engine = "onnxruntime"
    precision: Precision = "fp32"
    watch: Callable[[Path, Feed], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for value, known in ((self.engine, get_args(Engine)), (self.precision, get_args(Precision))):
            if value not in known:
                raise ConfigError(f"{value!r} is none of {', '.join(known)}. Correct extract.engine or .precision.")
        if self.engine == "openvino":
            require("extract.engine openvino", "openvino")

    @classmethod
    def of(cls, settings: ExtractSettings, threads: int = 1) -> "Runtime":
        """From the settings."""
        return cls(threads, settings.engine, settings.precision)

    def open(self, path: Path, *, singly: bool = False) -> Session:
        """A session over a graph in the cache, or over its 8-bit version.

        Args:
            path: The fp32 graph.
            singly: Whether every call has exactly one item, which lets OpenVINO plan ahead.

        Raises:
            WeightsError: If the 8-bit graph does not exist.
        """
        graph = path if self.precision == "fp32" else _in_eight_bits(path)
        openvino = self.engine == "openvino"
        session = _OpenVino(graph, self.threads, singly=singly) if openvino else _onnx(graph, self.threads)
        return session if self.watch is None else _Watched(session, path, self.watch)


@dataclass(frozen=True)
class QuantisedGraph:
    """Note on a graph's 8-bit version, stored beside the graph as NAME.int8.json.

    Attributes:
        format: How weights were rounded; graphs of another format than EIGHT_BIT_FORMAT are not used.
        graph: File name of the fp32 graph.
        kept: Whether it was kept; if not, the fp32 graph is used.
        sha256: Of the 8-bit graph; "" if it was not kept.
        n_items: Number of inputs for calibration.
        cosine: By expert, mean cosine between 8-bit and fp32 vectors of held-out scenes.
        lowest_cosine: The minimum.
    """

    format: int
    graph: str
    kept: bool
    sha256: str
    n_items: int
    cosine: dict[str, float]
    lowest_cosine: dict[str, float]


def eight_bit_path(graph: Path) -> Path:
    """Path of a graph's 8-bit version."""
    return graph.with_suffix(".int8.onnx")


def note_path(graph: Path) -> Path:
    """Path of the note on a graph's 8-bit version."""
    return graph.with_suffix(".int8.json")


def read_quantised(graph: Path) -> QuantisedGraph | None:
    """Note on a graph's 8-bit version; None if there is none of this format."""
    try:
        note = QuantisedGraph(**json.loads(note_path(graph).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return note if note.format == EIGHT_BIT_FORMAT else None


def quantised_for(expert: str, cache: Path) -> list[QuantisedGraph]:
    """All 8-bit graphs that an expert has been measured with, by file name."""
    paths = sorted((cache / "graphs").glob("*.int8.json"))
    found = [read_quantised(path.with_name(path.name.removesuffix(".int8.json") + ".onnx")) for path in paths]
    return [graph for graph in found if graph is not None and expert in graph.cosine]


def _in_eight_bits(graph: Path) -> Path:
    known = read_quantised(graph)
    if known is None:
        found = (
            "one of another version of Cinegrain, whose sums may overflow on this processor, or a damaged one"
            if note_path(graph).exists()
            else "none"
        )
        raise WeightsError(
            f"extract.precision int8 needs an 8-bit graph of {graph.stem}; found {found}. "
            'Run `cinegrain experts quantise NAMES FILM...`, or set extract.precision to "fp32".'
        )
    return eight_bit_path(graph) if known.kept else graph


def _onnx(graph: Path, threads: int) -> Session:
    import onnxruntime as ort  # slow to import

    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads would only take CPU time from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session: Session = ort.InferenceSession(os.fspath(graph), options, providers=["CPUExecutionProvider"])
    return session


class _OpenVino:
    """OpenVINO with ONNX Runtime's interface."""

    def __init__(self, graph: Path, threads: int, *, singly: bool) -> None:
        self._graph, self._threads, self._singly = graph, threads, singly

    @cached_property
    def _request(self) -> Any:
        import openvino

        core = openvino.Core()
        model = core.read_model(os.fspath(self._graph))
        if self._singly:
            model.reshape({entry.any_name: [1, *list(entry.partial_shape)[1:]] for entry in model.inputs})
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": self._threads,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,  # one process per core, placed by the system
                "INFERENCE_PRECISION_HINT": "f32",  # otherwise it uses bf16 if the processor has it
            },
        )
        return compiled.create_infer_request()

    def run(self, _outputs: None, feed: Feed, /) -> Sequence[Float32]:
        """All outputs for one batch, in the graph's order."""
        request = self._request
        request.infer(dict(feed))
        return [np.array(tensor.data) for tensor in request.output_tensors]


class _Watched:
    """Reports every batch before it runs."""

    def __init__(self, session: Session, graph: Path, watch: Callable[[Path, Feed], None]) -> None:
        self._session, self._graph, self._watch = session, graph, watch

    def run(self, outputs: None, feed: Feed, /) -> Sequence[Float32]:
        """All outputs for one batch, in the graph's order."""
        self._watch(self._graph, feed)
        return self._session.run(outputs, feed)
