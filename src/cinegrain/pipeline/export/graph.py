"""Converts a genre model to ONNX."""

import warnings
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn

from cinegrain.models.genre_model import GenreModel
from cinegrain.runs.artifacts import write_bytes

PRESENT, LOGITS = "present", "logits"
_OPSET = 17


def mean_input(expert: str) -> str:
    """Name of an expert's input."""
    return f"mean_{expert}"


def save_graph(model: GenreModel, path: Path) -> None:
    """Writes the graph: mean scene vectors (n, d_e) by expert and `present` (n, e) to `logits` (n, g).

    Values of absent experts are ignored.

    Args:
        model: Trained model.
        path: .onnx file to write.
    """
    experts, sizes = model.spec.experts, model.spec.dimensions.values()
    names = [PRESENT, *map(mean_input, experts)]
    example = torch.ones(2, len(experts), dtype=torch.bool), *(torch.zeros(2, d) for d in sizes)
    content = BytesIO()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _FromMeans(model).eval(),
            example,
            content,  # type: ignore[arg-type]  # the exporter used here takes a buffer
            dynamo=False,
            opset_version=_OPSET,
            input_names=names,
            output_names=[LOGITS],
            dynamic_axes={name: {0: "n"} for name in (*names, LOGITS)},
        )
    write_bytes(path, content.getvalue())


class _FromMeans(nn.Module):
    """The network with unscaled mean vectors as input."""

    def __init__(self, model: GenreModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, present: Tensor, *means: Tensor) -> Tensor:
        """Logits, shape (n, g)."""
        pooled = {
            name: self.model.standardise(name, torch.where(present[:, i : i + 1], x, 0.0))
            for i, (name, x) in enumerate(zip(self.model.spec.experts, means, strict=True))
        }
        return self.model.logits(pooled, present)
