"""In: setting, motion style, plate; out: the moving things of a shot. It does not know sound or genres."""

from cinegrain_demo.cast.element import Element
from cinegrain_demo.cast.ensemble import cast_shot

__all__ = ["Element", "cast_shot"]
