"""Extras: optional packages, and the error if one is not installed."""

from importlib.util import find_spec

from cinegrain.errors import MissingExtraError

# Modules by extra, with their usual names; the first missing one is reported.
EXTRAS = {
    "train": {
        "torch": "PyTorch",
        "sklearn": "scikit-learn",
        "iterstrat": "iterative-stratification",
        "openTSNE": "openTSNE",
    },
    "web": {"fastapi": "FastAPI", "uvicorn": "Uvicorn"},
    "report": {"plotly": "Plotly", "jinja2": "Jinja2"},
    "strong": {"transformers": "transformers", "torch": "PyTorch"},
    "openvino": {"openvino": "OpenVINO"},
    "ray": {"ray": "Ray"},
    "devices": {"accelerate": "accelerate"},
    "skos": {"rdflib": "rdflib"},
    "zarr": {"zarr": "zarr"},
    "s3": {"s3fs": "s3fs"},
}


def missing_package(extra: str) -> str | None:
    """The first package of an extra that is not installed."""
    return next((name for module, name in EXTRAS[extra].items() if find_spec(module) is None), None)


def require(what: str, *extras: str) -> None:
    """Raises if extras are not installed.

    Args:
        what: Subject of the message, such as "`cinegrain train`".
        extras: Required extras.

    Raises:
        MissingExtraError: If any is not installed.
    """
    missing = {extra: name for extra in extras if (name := missing_package(extra))}
    if missing:
        raise MissingExtraError(
            f"{what} needs {' and '.join(missing.values())}. "
            f"Install {'it' if len(missing) == 1 else 'them'} with: pip install 'cinegrain[{','.join(missing)}]'"
        )
