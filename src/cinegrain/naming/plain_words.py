"""Plain words for the experts' concepts: everyday wording, synonyms merged, noise removed."""

import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

_SECTION_OF = {"audio": "audio", "image": "picture", "location": "picture"}
_PROPER = frozenset(("Carnatic", "Christian", "Christmas", "French", "Middle"))  # AudioSet capitalises every label


def plain_words(modality: str, words: Mapping[str, float]) -> dict[str, float]:
    """Plain words of a film's concepts in one modality with their strengths; merged words keep the highest.

    >>> plain_words("audio", {"Machine gun": 0.5, "Gunshot, gunfire": 0.25, "Sine wave": 0.75, "Jazz": 0.5})
    {'gunfire': 0.5, 'jazz': 0.5}
    """
    strengths: dict[str, float] = {}
    for word, strength in words.items():
        plain = plain_word(modality, word)
        if plain:
            strengths[plain] = max(strength, strengths.get(plain, 0.0))
    return strengths


def plain_word(modality: str, word: str) -> str:
    """Plain wording of a concept; "" if it is noise.

    >>> plain_word("audio", "Gunshot, gunfire"), plain_word("image", "web site"), plain_word("location", "attic")
    ('gunfire', 'title cards', 'attic')
    >>> plain_word("audio", "Scary music"), plain_word("location", "swimming pool (indoor)")
    ('scary music', 'swimming pool, indoor')
    """
    section = _table().get(_SECTION_OF.get(modality, ""), {})
    if word in section:
        return section[word]
    plain = word.replace(" (", ", ").replace(")", "")
    if modality == "audio" and plain.split()[0] not in _PROPER and plain[1:2].islower():
        plain = plain[0].lower() + plain[1:]
    return unicodedata.normalize("NFC", plain)


def text_words(text: str) -> str:
    """Lower-case text, independent of the locale.

    >>> text_words("İSTANBUL") == text_words("istanbul"), text_words("KÖY")
    (True, 'köy')
    """
    lowered = unicodedata.normalize("NFC", text).lower()
    return unicodedata.normalize("NFC", lowered.replace("i\u0307", "i"))  # the dotted capital I of Turkish


def stems(phrase: str) -> frozenset[str]:
    """Words of a phrase without case, punctuation and plural endings.

    >>> sorted(stems("Churches, old")) == sorted(stems("old church"))
    True
    """
    letters = "".join(c if c.isalnum() or c == "'" else " " for c in text_words(phrase))
    return frozenset(map(_singular, letters.split()))


def head(phrase: str) -> str:
    """Head noun of a phrase: `music` for `scary music`."""
    letters = "".join(c if c.isalnum() or c == "'" else " " for c in text_words(phrase.partition(",")[0]))
    return _singular(letters.split()[-1]) if letters.split() else ""


def _singular(word: str) -> str:
    """Strip the plural ending and a final e: `bus` for `buses`, `hous` for `houses` and `house`."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


@cache
def _table() -> dict[str, dict[str, str]]:
    """Section -> concept -> plain word."""
    table: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in _lines():
        if line.startswith("["):
            section = table.setdefault(line.strip("[]"), {})
        else:
            plain, _, words = line.partition(":")
            section.update(dict.fromkeys((word.strip() for word in words.split("|")), plain))
    return table


def _lines() -> Iterator[str]:
    """Lines without comments; indented lines continue the previous one."""
    whole = ""
    text = (resources.files("cinegrain.naming") / "plain_words.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("    "):
            whole += " " + line.strip()
            continue
        if whole and not whole.startswith("#"):
            yield whole
        whole = line
    if whole:
        yield whole
