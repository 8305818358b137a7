"""Normalises the spelling of words."""

import re
import unicodedata

_ACCENTS = re.compile("[\u0300-\u036f]")
_PUNCTUATION = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Text without case, accents, spaces and punctuation, with `&` as `and`; unchanged if nothing would be left.

    >>> fold("Science-Fiction"), fold("COMÉDIE"), fold("Action & Adventure"), fold("Vahşi Batı"), fold("?!")
    ('sciencefiction', 'comedie', 'actionandadventure', 'vahsibati', '?!')
    """
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold())).replace("ı", "i").replace("&", " and ")
    return _PUNCTUATION.sub("", unicodedata.normalize("NFC", plain)) or text.strip()
