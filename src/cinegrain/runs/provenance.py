"""Seed and versions that an artifact was made with."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from cinegrain import __version__

_PACKAGES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "pylance", "scikit-learn", "torch")


@dataclass(frozen=True)
class Provenance:
    """Seed and versions; part of every artifact."""

    cinegrain: str
    seed: int
    versions: Mapping[str, str]


def provenance(seed: int) -> Provenance:
    """Provenance of what is computed now."""
    return Provenance(__version__, seed, {name: _version(name) for name in _PACKAGES})


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
