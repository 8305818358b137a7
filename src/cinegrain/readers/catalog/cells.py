"""Parses cells: text, years, files and genres."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from cinegrain.readers.catalog.folding import fold

_MAX_LITERAL = 1 << 16  # characters that are parsed as a list
_EMPTY = frozenset(("\\n", "<na>", "#n/a", "#n/d", "#ref!", "#value!", "#name?", "#null!"))
_NO_GENRE = frozenset(
    map(
        fold,
        ("unknown", "n/a", "na", "none", "null", "nil", "nan", "nat", "undefined", "missing", "tbd", "no genres listed",
         "not specified", "unspecified", "not available", "not applicable", "no genre", "no genres", "none listed",
         "unbekannt", "keine angabe", "k.A.", "ohne Genre", "kein Genre", "inconnu", "non renseigné", "sans genre",
         "desconocido", "sin género", "sin especificar", "sconosciuto", "non specificato", "desconhecido", "sem gênero",
         "onbekend", "geen genre", "bilinmiyor", "belirtilmemiş"),
    )
)  # fmt: skip
_NAMES = ("name", "genre", "label", "title", "description", "value", "text")
_ALWAYS = re.compile("[|;、，；،•·\n\r\v\f\x85\u2028\u2029\t]|\\s+/\\s+")
_COMMA = re.compile(",")
_LISTS = {"[": "]", "{": "}", "(": ")"}
_NO_COMMA = re.compile(r"""(?<=\w)(['"])\s+(['"])(?=\w)""")
_YEAR = re.compile(r"(?<!\d)(?:18[7-9]\d|19\d\d|20\d\d|2100)(?!\d)")
_MISSING = object()


def cell_text(value: Any) -> str:
    r"""A cell as text without outer blanks; nothing for an empty one, or for a mark of one such as `\N` or `<NA>`.

    >>> cell_text(" a "), cell_text(1917.0), cell_text(float("nan")), cell_text("<NA>")
    ('a', '1917', '', '')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    return "" if text.lower() in _EMPTY else text


def cell_year(value: Any) -> int | None:
    """The first year in a cell, 1870 to 2100.

    >>> cell_year("1999-03-31"), cell_year("31.3.1999"), cell_year("Inc.")
    (1999, 1999, None)
    """
    match = _YEAR.search(cell_text(value))
    return int(match.group()) if match else None


def cell_file(value: Any) -> str:
    """The cell of a file; a list of files, also as JSON text, is joined by `|`."""
    if isinstance(value, str) and value.lstrip().startswith('["'):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return cell_text(value)
    if isinstance(value, list | tuple):
        return "|".join(text for item in value if (text := cell_text(item)))
    return cell_text(value)


def genre_names(value: Any, is_known: Callable[[str], bool]) -> tuple[str, ...]:
    """Genres of a cell as spelled there, each once.

    Lists and objects with a name (also as JSON or Python text), `{A,B}`, and names separated by `|`, `;`, `、`, line
    breaks, ` / ` and commas are recognised. A known name is never split; a comma beside another separator, and a slash
    without spaces, separate only known names. Nothing is evaluated.

    Args:
        value: The cell.
        is_known: Whether a name is that of a genre.

    >>> genre_names("[{'id': 28, 'name': 'Action'}]", str.isalpha)
    ('Action',)
    """
    found: dict[str, None] = {}
    for text in _parts(value, is_known, 0):
        name = " ".join(text.split()).strip("\"'").strip()
        if name and not is_no_genre(name):
            found[name] = None
    return tuple(found)


def is_no_genre(name: str) -> bool:
    r"""Whether a name means that there is no genre.

    >>> [is_no_genre(name) for name in ("\\N", "-", "(no genres listed)", "Not specified", "[]", "Drama")]
    [True, True, True, True, True, False]
    """
    return not any(c.isalnum() for c in name) or name.lower() in _EMPTY or fold(name) in _NO_GENRE


def _parts(value: Any, is_known: Callable[[str], bool], depth: int) -> Iterator[str]:
    if depth > 4:
        return
    if isinstance(value, dict):
        yield from _of_object(value, is_known, depth)
    elif isinstance(value, list | tuple | set):
        for item in sorted(value, key=str) if isinstance(value, set) else value:
            if isinstance(item, str):
                yield item
            else:
                yield from _parts(item, is_known, depth + 1)
    else:
        text = cell_text(value)
        if text[:1] in _LISTS and text[-1:] == _LISTS[text[0]] and len(text) <= _MAX_LITERAL:
            literal = _literal(text)
            if literal is not _MISSING:
                yield from _parts(literal, is_known, depth + 1)
                return
            if text[0] != "(":
                for part in text[1:-1].split(","):
                    yield part.strip().strip("\"'")
                return
        yield from _separated(text, is_known)


def _of_object(value: dict[Any, Any], is_known: Callable[[str], bool], depth: int) -> Iterator[str]:
    """The name of {"id": 28, "name": "Action"}, the values of {"/m/02": "Action"}, the keys of {"Action": true}."""
    by_lower = {str(key).lower(): item for key, item in value.items()}
    named = next((by_lower[name] for name in _NAMES if by_lower.get(name)), None)
    if named is not None:
        yield from _parts([named], is_known, depth + 1)
    elif "id" in by_lower:
        yield cell_text(by_lower["id"])
    elif "genres" in by_lower:
        yield from _parts(by_lower["genres"], is_known, depth + 1)
    elif all(isinstance(item, bool | int | float) for item in value.values()):
        yield from (str(key) for key, item in value.items() if item)
    else:
        yield from _parts([item for item in value.values() if item], is_known, depth + 1)


def _literal(text: str) -> Any:
    """A list, object, set or tuple from JSON or Python text; _MISSING if it is not one."""
    text = _NO_COMMA.sub(r"\1, \2", text)  # arrays as printed by NumPy, which Python would join to one word
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(found, set):  # sets have no stable order
            return _literal(f"[{text[1:-1]}]")
        return found if isinstance(found, list | tuple | dict) else _MISSING
    return _MISSING


def _separated(text: str, is_known: Callable[[str], bool]) -> Iterator[str]:
    if is_known(text):
        yield text
        return
    pieces = _ALWAYS.split(text)
    for piece in pieces:
        parts = _COMMA.split(piece)
        if len(pieces) > 1 and not all(map(is_known, parts)):
            parts = [piece]  # `A|B, C`: the comma is part of a name
        for part in parts:
            by_slash = part.split("/")
            yield from by_slash if not is_known(part) and all(map(is_known, by_slash)) else [part]
