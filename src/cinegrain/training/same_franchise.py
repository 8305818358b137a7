"""Trailers of one franchise, which are no negatives of each other in contrastive training."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from cinegrain.types import Bool, Int64, Trailer

FRANCHISE_COLUMNS = ("franchise", "collection", "belongs_to_collection", "series")
_NUMBER = r"(?:\d{1,2}|[ivx]{1,4}|two|three|four|five)"
_SEQUEL = re.compile(rf"\s+(?:(?:part|chapter|episode|vol(?:ume)?\.?)\s+)?{_NUMBER}$", re.IGNORECASE)
_SUBTITLE = re.compile(r"\s*(?::|\s[-–—]\s).*$")
_ARTICLE = re.compile(r"^(?:the|a|an)\s+", re.IGNORECASE)


def franchises(trailers: Sequence[Trailer]) -> Int64:
    """Franchise number of each trailer, shape (n,).

    The franchise is taken from a catalogue column of `FRANCHISE_COLUMNS`, else from the title without its article and
    without a subtitle or the number of a sequel.
    """
    names = [_franchise(trailer.title, trailer.text) for trailer in trailers]
    return np.unique(np.array(names, dtype=str), return_inverse=True)[1].astype(np.int64)


def _franchise(title: str, text: Mapping[str, str]) -> str:
    for column in FRANCHISE_COLUMNS:
        if text.get(column, "").strip():
            return f"{column}: {text[column].strip().casefold()}"
    stem = _SEQUEL.sub("", _SUBTITLE.sub("", title.strip()))
    return _ARTICLE.sub("", stem).casefold() or title.casefold()


def same(groups: Int64) -> Bool:
    """Whether two trailers have the same number, shape (n, n)."""
    return np.asarray(groups[:, None] == groups[None, :])
