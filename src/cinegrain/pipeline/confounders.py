"""Variables of films that should not define a sub-genre."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from cinegrain.discovery.confounders import Values
from cinegrain.store.schema import TrailerRecord
from cinegrain.types import Trailer

_FEWEST_SHARED = 2


def confounder_values(
    trailers: Sequence[Trailer], records: Mapping[str, TrailerRecord], columns: str
) -> dict[str, Values]:
    """Year, length, aspect, brightness and loudness, as far as known, and values of some catalogue columns.

    Only the year is known if vectors were computed elsewhere. A column is used if at least two films share a value; of
    several values the first counts.

    Args:
        trailers: n films.
        records: Records of the dataset by id.
        columns: Names of catalogue columns, separated by commas.
    """
    facts = [json.loads(records[trailer.trailer_id].facts) for trailer in trailers]
    numbers: dict[str, list[float | None]] = {
        "year": [trailer.year for trailer in trailers],
        "length": [records[trailer.trailer_id].duration_s or None for trailer in trailers],
        "aspect": [fact["width"] / fact["height"] if fact.get("height") else None for fact in facts],
        "brightness": [fact.get("brightness") for fact in facts],
        "loudness": [fact.get("loudness_dbfs") for fact in facts],
    }
    found: dict[str, Values] = {}
    for name, values in numbers.items():
        column = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        if len(np.unique(column[~np.isnan(column)])) > 1:
            found[name] = column
    for name in filter(None, (part.strip() for part in columns.split(","))):
        words = [_first(trailer.text.get(name, "")) for trailer in trailers]
        counts = Counter(filter(None, words))
        shared = {word for word in counts if counts[word] >= _FEWEST_SHARED}
        if shared and len(counts) > 1:
            found[name] = words
    return found


def _first(text: str) -> str:
    return re.split(r"[|;,]", text, maxsplit=1)[0].strip().casefold()
