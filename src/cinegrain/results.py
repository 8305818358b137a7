"""Stand-in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Failure:
    """A film without a result."""

    path: str
    reason: str


@dataclass(frozen=True)
class Prediction:
    """Stand-in."""

    answer: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Stand-in."""
        return str(self.answer["path"])


@dataclass(frozen=True)
class Match:
    """Stand-in."""

    row: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Stand-in."""
        return str(self.row["title"])

    def to_dict(self) -> dict[str, Any]:
        """Stand-in."""
        return dict(self.row)
