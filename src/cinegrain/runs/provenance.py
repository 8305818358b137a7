"""What an artifact was made with."""

from importlib.metadata import PackageNotFoundError, version

from cinegrain import __version__
from cinegrain.types import JsonObject

_PACKAGES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "pylance", "scikit-learn", "torch")


def provenance(seed: int) -> JsonObject:
    """Seed and versions, to lie in every artifact."""
    return {"cinegrain": __version__, "seed": seed, "versions": {name: _version(name) for name in _PACKAGES}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
