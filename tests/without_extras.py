"""A base install, as far as imports tell: code for `python -c` that hides what only extras bring."""

from cinegrain.extras import EXTRAS

_HIDDEN = sorted(
    {"joblib", "scipy", "starlette", "threadpoolctl", *(m for modules in EXTRAS.values() for m in modules)}
)
WITHOUT_EXTRAS = f"import sys; sys.modules.update(dict.fromkeys({_HIDDEN!r})); "
