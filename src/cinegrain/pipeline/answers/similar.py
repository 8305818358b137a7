"""Films of a run that are alike, and through what; needs no network."""

from collections.abc import Sequence

import numpy as np

from cinegrain.atlas.run_atlas import RunAtlas
from cinegrain.errors import StoreError
from cinegrain.explain.neighbours import mode_contributions, nearest
from cinegrain.types import Float64, JsonObject


def similar_films(
    atlas: RunAtlas, encoded: Float64, *, top_k: int, mode: str | None = None, row: int | None = None
) -> list[JsonObject]:
    """The nearest films of a run, with each mode's part in it.

    Args:
        atlas: The run's atlas.
        encoded: Gated vectors of the film asked about, shape (e, d).
        top_k: How many.
        mode: Compare by this mode alone.
        row: Row of the film if it is one of the run; it never comes back itself.

    Raises:
        StoreError: If the film lacks that mode.
    """
    corpus, modes = atlas.encoded, list(atlas.found["modes"])
    exclude = [] if row is None else [row]
    if mode is not None:
        keep = [i for i, name in enumerate(modes) if name == mode]
        encoded, corpus, modes = encoded[keep], corpus[:, keep], [mode]
        if not np.any(encoded):
            raise StoreError(f"This film has no {mode or 'such'} mode to compare by.")
        exclude += np.flatnonzero(~corpus.any(axis=(1, 2))).tolist()
    return [
        {
            "trailer_id": atlas.trailer_ids[n.row],
            "title": atlas.rows[n.row]["title"],
            "genres": atlas.rows[n.row]["genres"],
            "score": n.score,
            "modes": dict(zip(modes, n.modes, strict=True)),
        }
        for n in nearest(encoded, corpus, top_k=top_k, exclude=exclude)
    ]


def why_alike(atlas: RunAtlas, first: int, second: int) -> JsonObject:
    """What two films share.

    Args:
        atlas: The run's atlas.
        first: Row of one film.
        second: Row of the other.

    Returns:
        `score` (cosine similarity), `modes` (each mode's part of it; parts add up), `cosines` (each mode alone; None
        where a film lacks it), `words` (by mode, those that both have, with both strengths) and shared `genres`.
    """
    modes, a, b = list(atlas.found["modes"]), atlas.encoded[first], atlas.encoded[second]
    parts = mode_contributions(a, b[None])[0]
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = [float(x @ y / n) if n > 0 else None for x, y, n in zip(a, b, lengths, strict=True)]
    rows = atlas.rows[first], atlas.rows[second]
    return {
        "score": float(parts.sum()),
        "modes": dict(zip(modes, parts.tolist(), strict=True)),
        "cosines": dict(zip(modes, cosines, strict=True)),
        "words": {mode: _shared([row["concepts"].get(mode, []) for row in rows]) for mode in dict.fromkeys(modes)},
        "genres": [genre for genre in rows[0]["genres"] if genre in rows[1]["genres"]],
    }


def _shared(words: Sequence[Sequence[JsonObject]]) -> list[JsonObject]:
    """Words of both lists, those first that are strong in both."""
    left, right = ({word["name"]: float(word["score"]) for word in some} for some in words)
    both = sorted(left.keys() & right.keys(), key=lambda name: (-min(left[name], right[name]), name))
    return [{"name": name, "scores": [left[name], right[name]]} for name in both]
