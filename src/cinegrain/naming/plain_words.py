"""What experts' words become in names: as a person would say them, near-synonyms joined, noise left out."""

import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

_SECTION_OF = {"audio": "audio", "image": "picture", "location": "picture"}
_PROPER = frozenset(("Carnatic", "Christian", "Christmas", "French", "Middle"))  # AudioSet begins every word so


def plain_words(mode: str, words: Mapping[str, float]) -> dict[str, float]:
    """One film's words of one mode in plain form, with their strengths; of joined words the strongest counts.

    >>> plain_words("audio", {"Machine gun": 0.5, "Gunshot, gunfire": 0.25, "Sine wave": 0.75, "Jazz": 0.5})
    {'gunfire': 0.5, 'jazz': 0.5}
    """
    found: dict[str, float] = {}
    for word, strength in words.items():
        plain = plain_word(mode, word)
        if plain:
            found[plain] = max(strength, found.get(plain, 0.0))
    return found


def plain_word(mode: str, word: str) -> str:
    """A word as a catalogue would say it; "" for one that names nothing.

    >>> plain_word("audio", "Gunshot, gunfire"), plain_word("image", "web site"), plain_word("location", "attic")
    ('gunfire', 'title cards', 'attic')
    >>> plain_word("audio", "Scary music"), plain_word("location", "swimming pool (indoor)")
    ('scary music', 'swimming pool, indoor')
    """
    known = _table().get(_SECTION_OF.get(mode, ""), {})
    if word in known:
        return known[word]
    spoken = word.replace(" (", ", ").replace(")", "")
    if mode == "audio" and spoken.split()[0] not in _PROPER and spoken[1:2].islower():
        spoken = spoken[0].lower() + spoken[1:]
    return unicodedata.normalize("NFC", spoken)


def text_words(text: str) -> str:
    """Catalogue text in small letters, the same in every locale.

    >>> text_words("İSTANBUL") == text_words("istanbul"), text_words("KÖY")
    (True, 'köy')
    """
    lowered = unicodedata.normalize("NFC", text).lower()
    return unicodedata.normalize("NFC", lowered.replace("i\u0307", "i"))  # the dotted capital I of Turkish


def stems(phrase: str) -> frozenset[str]:
    """The words of a phrase without case, punctuation and plural.

    >>> sorted(stems("Churches, old")) == sorted(stems("old church"))
    True
    """
    letters = "".join(c if c.isalnum() or c == "'" else " " for c in text_words(phrase))
    return frozenset(map(_singular, letters.split()))


def head(phrase: str) -> str:
    """The last word of a phrase, which says what kind of thing it is: `music` in `scary music`."""
    letters = "".join(c if c.isalnum() or c == "'" else " " for c in text_words(phrase.partition(",")[0]))
    return _singular(letters.split()[-1]) if letters.split() else ""


def _singular(word: str) -> str:
    """Without the plural's ending, and without an e at the end: `bus` for `buses`, `hous` for `houses` and `house`."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


@cache
def _table() -> dict[str, dict[str, str]]:
    """Section -> word of a classifier -> plain word."""
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
    """Lines with those joined that go on, without comments."""
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
