"""In: a setting's name, an hour and a size; out: a painted plate. It does not know motion, sound or genres."""

from collections.abc import Callable, Mapping

import numpy as np

from cinegrain_demo.plate import Plate
from cinegrain_demo.scenery.city import paint_city
from cinegrain_demo.scenery.desert import paint_desert
from cinegrain_demo.scenery.forest import paint_forest
from cinegrain_demo.scenery.interior import paint_interior
from cinegrain_demo.scenery.ocean import paint_ocean
from cinegrain_demo.scenery.snow import paint_snow
from cinegrain_demo.scenery.space import paint_space

PAINTERS: Mapping[str, Callable[[np.random.Generator, int, int, str], Plate]] = {
    "city": paint_city,
    "desert": paint_desert,
    "forest": paint_forest,
    "interior": paint_interior,
    "ocean": paint_ocean,
    "snow": paint_snow,
    "space": paint_space,
}

# How often a film of a setting plays at each hour; every hour is drawn once for the whole film.
HOUR_CHANCES: Mapping[str, Mapping[str, float]] = {
    "city": {"night": 0.5, "dusk": 0.3, "day": 0.2},
    "desert": {"dawn": 0.2, "day": 0.45, "dusk": 0.35},
    "forest": {"dawn": 0.25, "day": 0.3, "overcast": 0.25, "night": 0.2},
    "interior": {"day": 0.35, "dusk": 0.25, "night": 0.4},
    "ocean": {"dawn": 0.25, "day": 0.3, "dusk": 0.3, "overcast": 0.15},
    "snow": {"dawn": 0.3, "day": 0.45, "overcast": 0.1, "dusk": 0.15},
    "space": {"night": 1.0},
}

__all__ = ["HOUR_CHANCES", "PAINTERS"]
