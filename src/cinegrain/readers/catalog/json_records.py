"""Reads films from JSON objects: a list, one per line, or wrapped as in web services."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog.unpack import read_text, text_lines

_Object = dict[str, Any]


def read_json_list(path: Path) -> list[_Object]:
    """Objects of a JSON file, which may in fact be JSON Lines.

    Raises:
        ConfigError: If it is neither.
    """
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error):
            return [record for _, record in read_json_lines(path)]
        raise ConfigError(f"{path} is not valid JSON: {error}.") from error
    records = _unwrapped(found)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ConfigError(f"{path} must be a list of objects, one per film.")
    return records


def read_json_lines(path: Path) -> Iterator[tuple[int, _Object]]:
    """Objects of a JSON Lines file with their line numbers; a line may be a list of objects.

    Raises:
        ConfigError: If a line is anything else.
    """
    with text_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ConfigError(f"Line {number} of {path} is not valid JSON: {error}.") from error
            for record in found if isinstance(found, list) else [found]:
                if not isinstance(record, dict):
                    raise ConfigError(f"Line {number} of {path} must be an object, one a film; found {line[:40]!r}.")
                yield number, record


def _unwrapped(found: Any) -> Any:
    """The list of objects inside `{"results": [...]}` and its like; SPARQL's bindings as plain values."""
    if not isinstance(found, dict):
        return found
    bindings = found["results"].get("bindings") if isinstance(found.get("results"), dict) else None
    if isinstance(bindings, list):
        return [
            {name: cell.get("value") if isinstance(cell, dict) else cell for name, cell in row.items()}
            for row in bindings
            if isinstance(row, dict)
        ]
    lists = [value for value in found.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    return lists[0] if len(lists) == 1 else found
