"""Finds what other installed packages add to Cinegrain through entry points."""

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any


@dataclass(frozen=True)
class Plugin:
    """What a package registers.

    Attributes:
        name: Of the entry point.
        package: Who registers it.
        found: The object; None if it cannot be imported.
        fault: Why it cannot be used, a clause; None if it can.
    """

    name: str
    package: str
    found: Any = None
    fault: str | None = None


def load_plugins(group: str) -> list[Plugin]:
    """What installed packages register under an entry-point group such as `cinegrain.experts`, broken ones included."""
    plugins = []
    for point in entry_points(group=group):
        package = point.dist.name if point.dist else point.value
        try:
            plugins.append(Plugin(point.name, package, point.load()))
        except Exception as error:  # whatever a stranger's module raises
            plugins.append(Plugin(point.name, package, fault=f"it failed to load ({type(error).__name__}: {error})"))
    return plugins
