"""Finds what other installed packages add to Cinegrain through entry points."""

from importlib.metadata import entry_points
from typing import Any

from cinegrain.errors import ConfigError


def load_plugins(group: str) -> dict[str, Any]:
    """Objects that installed packages register under an entry-point group, by name.

    Args:
        group: For example `cinegrain.experts`.

    Raises:
        ConfigError: If a registered object cannot be imported; the message names the package.
    """
    found: dict[str, Any] = {}
    for point in entry_points(group=group):
        try:
            found[point.name] = point.load()
        except Exception as error:
            package = point.dist.name if point.dist else point.value
            raise ConfigError(
                f"The plug-in {point.name!r} of package {package!r} failed to load: {error}. "
                f"Repair or uninstall {package!r}."
            ) from error
    return found
