"""Numbers in settings that may be left to Cinegrain, spelled `auto`."""

from typing import Literal, TypeAlias, TypeVar

from cinegrain.errors import ConfigError

Auto: TypeAlias = Literal["auto"]
AUTO: Auto = "auto"
_Number = TypeVar("_Number", int, float)


def chosen(value: _Number | Auto, usual: _Number) -> _Number:
    """The value, or the usual one where it is `auto`."""
    return usual if isinstance(value, str) else value


def check_least(section: str, settings: object, **least: float) -> None:
    """Refuses numbers that are too small; `least` has the lower bound by name.

    Raises:
        ConfigError: Naming the first of them.
    """
    for name, bound in least.items():
        value = getattr(settings, name)
        if not isinstance(value, str) and not value >= bound:
            raise ConfigError(f"{section}.{name} must be at least {bound:g}; found {value}.")
