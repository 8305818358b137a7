"""When to say "not sure". Imports nothing that needs PyTorch."""

from collections.abc import Mapping, Sequence

import numpy as np

from cinegrain.explain.familiarity import Familiarity
from cinegrain.types import Float32, JsonObject

FAMILIARITY_FILE = "familiar.safetensors"


def how_sure(
    genres: Sequence[JsonObject],
    modes: Sequence[str],
    present: Sequence[bool],
    means: Mapping[str, Float32],
    familiarity: Familiarity | None,
) -> JsonObject:
    """Whether an answer can be relied on, and if not, why.

    Args:
        genres: The answer, each with `decided`.
        modes: Mode of each expert.
        present: Whether the film has it.
        means: By expert, mean vector of the film's scenes, shape (1, d_e); NaN where absent.
        familiarity: What the model was trained on; None if that was not kept.

    Returns:
        `sure`, `unsure_because` (sentences) and `strangeness`.
    """
    reasons = []
    strangeness: JsonObject | None = None
    if familiarity is not None:
        found = familiarity.judge(means)
        by_mode = {mode: float(x) if np.isfinite(x) else None for mode, x in zip(modes, found.modes[0], strict=True)}
        score = float(found.score[0]) if np.isfinite(found.score[0]) else None
        strangeness = {"score": score, "threshold": familiarity.threshold, "modes": by_mode}
        if score is not None and score > familiarity.threshold:
            strange = [mode for mode, x in by_mode.items() if x is not None and x > familiarity.threshold]
            reasons.append(f"unlike the films it learned from ({', '.join(strange)})")
    if not any(genre["decided"] for genre in genres):
        reasons.append("no genre is likely enough")
    if 2 * sum(present) <= len(modes) and len(modes) > 1:
        there = [mode for mode, has in zip(modes, present, strict=True) if has]
        reasons.append(f"there is only {' and '.join(there) or 'nothing'} to go by")
    return {"sure": not reasons, "unsure_because": reasons, "strangeness": strangeness}
