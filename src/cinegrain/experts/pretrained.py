"""Networks of the transformers library: built from checked values, filled from safetensors, exported to ONNX once.

Only here are PyTorch and transformers imported, and only when a graph is not in the cache yet.
"""

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cinegrain.errors import WeightsError
from cinegrain.experts.graph import open_graph
from cinegrain.experts.hub import HubFiles, refused
from cinegrain.experts.picture_processor import PictureProcessor
from cinegrain.experts.runtime import Runtime
from cinegrain.extras import require

_OPSET = 17
_TOLERANCE = 1e-3  # of the largest value: fp32 sums in another order, layer after layer
# Running numbers that older files hold and newer classes make by themselves.
_COUNTERS = ("position_ids",)


def load_pretrained(files: HubFiles, *, class_name: str, config_name: str, values: Mapping[str, Any]) -> Any:
    """A network of transformers in evaluation mode, with every weight from the file and none left over.

    Args:
        files: From the hub.
        class_name: The network's class in `transformers`.
        config_name: Its configuration's class.
        values: What the configuration is made of, checked.

    Raises:
        WeightsError: If the file is damaged, or its tensors are not those of this network.
    """
    check_transformers(files)
    import torch
    import transformers
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    network = getattr(transformers, class_name)
    try:
        tensors = {k: v for k, v in load_file(files.weights).items() if not k.endswith(_COUNTERS)}
    except (SafetensorError, OSError) as error:
        raise refused(files.model, files.weights, f"it cannot be read as safetensors ({error})") from error
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise refused(files.model, files.weights, f"{broken[0]} holds values that are not finite")
    with _quiet():
        try:
            config = getattr(transformers, config_name)(**values)
            _check_size(network, config, sum(tensor.numel() for tensor in tensors.values()))
            model, report = network.from_pretrained(
                None,
                config=config,
                state_dict=tensors,
                dtype=torch.float32,
                attn_implementation="sdpa",
                local_files_only=True,
                output_loading_info=True,
            )
        except Exception as error:  # the library's checks raise many kinds
            raise refused(files.model, files.weights, f"its tensors do not fit config.json ({_last(error)})") from error
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if report.get(kind):
            named = ", ".join(map(str, sorted(report[kind])[:3]))
            raise refused(files.model, files.weights, f"{len(report[kind])} {kind.replace('_', ' ')}: {named}")
    return model.eval()


def export_graph(
    model: Any,
    forward: Callable[[Any, Any], tuple[Any, ...]],
    path: Path,
    *,
    input_name: str,
    example: Any,
    output_names: Sequence[str],
) -> None:
    """Writes the ONNX graph of a network atomically, once it has answered as PyTorch does.

    Args:
        model: The network, in evaluation mode.
        forward: From the network and an input tensor (n, ...) to output tensors (n, ...).
        path: The .onnx file.
        input_name: Name of the input.
        example: Two different inputs, a tensor (2, ...).
        output_names: Names of the outputs.

    Raises:
        WeightsError: If the graph answers otherwise.
    """
    import torch

    class Whole(torch.nn.Module):
        """`forward` as a module."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return forward(self.model, x)

    path.parent.mkdir(parents=True, exist_ok=True)
    whole = Whole().eval()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".graph-") as folder, torch.inference_mode():
        part = Path(folder) / path.name
        with _quiet():
            torch.onnx.export(
                whole,
                (example,),
                str(part),
                dynamo=False,
                opset_version=_OPSET,
                input_names=[input_name],
                output_names=list(output_names),
                dynamic_axes={name: {0: "n"} for name in (input_name, *output_names)},
            )
        session = open_graph(part, build=_nothing, runtime=Runtime())
        last = example[1:]  # one, where two were traced: a frozen number of items would show
        for found, expected in zip(session.run(None, {input_name: last.numpy()}), whole(last), strict=True):
            error = float(np.abs(found - expected.numpy()).max())
            if not error <= _TOLERANCE * float(expected.abs().max()):
                raise WeightsError(
                    f"The ONNX graph of {path.stem} is {error:.2g} away from PyTorch's answer. "
                    f"Install the versions of torch and onnxruntime in constraints.txt."
                )
        del session
        part.replace(path)


def standardise(frames: Any, processor: PictureProcessor) -> Any:
    """Tensor of uint8 (..., height, width, 3) to float (..., 3, height, width), as the processor asks."""
    import torch

    scale = processor.scale / torch.tensor(processor.deviation)
    shift = -torch.tensor(processor.mean) / torch.tensor(processor.deviation)
    *rest, height, width, channel = range(frames.dim())  # movedim would trace a negative axis
    return (frames.float() * scale + shift).permute(*rest, channel, height, width)


def check_transformers(files: HubFiles) -> None:
    """Whether PyTorch and transformers are here.

    Raises:
        MissingExtraError: If they are not.
    """
    require(f"Converting {files.model.repository}", "strong")


def _check_size(network: Any, config: Any, n_found: int) -> None:
    """Before any memory is taken: a configuration must not promise much more than the file holds."""
    import torch

    with torch.device("meta"):
        n_wanted = sum(parameter.numel() for parameter in network(config).parameters())
    if n_wanted > 1.1 * n_found + 1000:
        raise ValueError(f"a network of {n_wanted} numbers is described, but the file holds {n_found}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Neither progress bars nor load reports nor notes on the exporter; what is wrong is raised as an error."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _nothing(_path: Path) -> None:
    """The graph is there already."""


def _last(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
