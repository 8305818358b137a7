"""Numbers and findings in plain words."""

import re
from collections.abc import Sequence

from markupsafe import Markup

SMALL_TEST = 50


def number(value: float | None, digits: int = 2) -> str:
    """A figure, or a dash where there is none.

    >>> number(0.12345), number(None), number(1234.0, 0)
    ('0.12', '–', '1,234')
    """
    return "–" if value is None else f"{value:,.{digits}f}"


def signed(value: float, digits: int = 2) -> str:
    """With its sign, always.

    >>> signed(0.5), signed(-0.125), signed(-0.001)
    ('+0.50', '−0.12', '0.00')
    """
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def percent(share: float) -> str:
    """A share as whole percent, with a narrow space.

    >>> percent(0.3333).split(), percent(0.001).split()
    (['33', '%'], ['<1', '%'])
    """
    shown = round(share * 100)
    return "<1\u202f%" if share > 0 and shown == 0 else f"{shown}\u202f%"


def count(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "film"), count(2000, "film"), count(0, "card")
    ('1 film', '2,000 films', '0 cards')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A running time as people say it.

    >>> duration(50), duration(600), duration(9000)
    ('50 seconds', '10 minutes', '2.5 hours')
    """
    if seconds < 90:
        return count(round(seconds), "second")
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:,.1f} hours"


def listed(items: Sequence[str]) -> str:
    """Joined as in a sentence.

    >>> listed(["a", "b", "c"]), listed([])
    ('a, b and c', 'none')
    """
    if len(items) < 2:
        return items[0] if items else "none"
    return f"{', '.join(items[:-1])} and {items[-1]}"


def breakable(title: str) -> Markup:
    """Escaped, with places to break the line, since a title may be a long file name.

    >>> breakable("a_b<i>")
    Markup('a_<wbr>b&lt;i&gt;')
    """
    return Markup("<wbr>").join(re.split(r"(?<=[_./])(?=.)", title))


def cohesion(value: float, size: int) -> str:
    """What a mean cosine to the centre says."""
    if size == 1:
        return "a single film"
    for least, said in ((0.8, "very alike"), (0.65, "alike"), (0.5, "loosely alike")):
        if value >= least:
            return said
    return "only faintly alike"


def stability(value: float | None) -> str:
    """What the overlap with other seeds' clusters says; a group that people put together has none."""
    if value is None:
        return "put together by people"
    for least, said in ((0.85, "comes back"), (0.65, "mostly comes back"), (0.45, "comes back in part")):
        if value >= least:
            return said
    return "does not come back: tentative"


def verdict_in_a_word(kind: str) -> str:
    """What stands before the sentence of a verdict.

    >>> verdict_in_a_word("artefact"), verdict_in_a_word("small")
    ('An artefact?', 'Too small to judge.')
    """
    said = {"stable": "Stable.", "loose": "Loose.", "artefact": "An artefact?", "cut": "A cut?"}
    return said.get(kind, "Too small to judge.")


def after_colon(sentence: str) -> str:
    """A verdict's sentence without the word that stands before it already.

    >>> after_colon("Stable: it comes back."), after_colon("May be a cut.")
    ('It comes back.', 'May be a cut.')
    """
    first, colon, rest = sentence.partition(": ")
    return rest[:1].upper() + rest[1:] if colon and first in ("Stable", "Loose", "Too small to judge") else sentence
