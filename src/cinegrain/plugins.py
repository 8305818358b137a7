"""Loads plug-ins of other packages through entry points."""

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any


@dataclass(frozen=True)
class Plugin:
    """A plug-in.

    Attributes:
        name: Name of the entry point.
        package: Package that registers it.
        found: The object; None if it cannot be imported.
        fault: Why it cannot be used, as a clause, or None.
    """

    name: str
    package: str
    found: Any = None
    fault: str | None = None


def load_plugins(group: str) -> list[Plugin]:
    """All plug-ins of an entry-point group such as `cinegrain.experts`, including broken ones."""
    plugins = []
    for point in entry_points(group=group):
        package = point.dist.name if point.dist else point.value
        try:
            plugins.append(Plugin(point.name, package, point.load()))
        except Exception as error:  # third-party code may raise anything
            plugins.append(Plugin(point.name, package, fault=f"it failed to load ({type(error).__name__}: {error})"))
    return plugins
