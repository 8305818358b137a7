"""Answers for many files: a list, a folder, or a folder that is watched. Imports nothing that needs PyTorch."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cinegrain.artifacts import csv_header, csv_line, csv_rows, write_csv, write_json, write_text
from cinegrain.errors import CinegrainError, ConfigError, StoreError
from cinegrain.media.files import find_videos, path_text
from cinegrain.pipeline.progress import Watcher
from cinegrain.types import JsonObject

Answer: TypeAlias = Callable[[Path], JsonObject]
_TABLE, _LIST, _LINES = ".csv", ".json", ".jsonl"
_ENDINGS = (_TABLE, _LIST, _LINES)


@dataclass(frozen=True)
class Unread:
    """A file without an answer."""

    path: Path
    reason: str


def predict_files(answer: Answer, paths: Sequence[Path], watcher: Watcher) -> tuple[list[JsonObject], list[Unread]]:
    """Answers for each file, and the files that could not be read with the reason."""
    results: list[JsonObject] = []
    failed: list[Unread] = []
    with watcher.stage("Looking and listening") as on_step:
        for done, path in enumerate(paths, start=1):
            try:
                results.append(answer(path))
            except (ConfigError, StoreError):
                raise  # the model's fault, not the file's
            except CinegrainError as error:
                failed.append(Unread(path, str(error)))
            on_step(done, len(paths), path.name)
    return results, failed


def check_out(path: Path | None, *, watching: bool) -> None:
    """Refuses an output that cannot be written, before any work.

    Raises:
        ConfigError: If it has another ending than we write.
    """
    endings = (_TABLE, _LINES) if watching else _ENDINGS
    if path is not None and path.suffix.lower() not in endings:
        raise ConfigError(f"--out must end in {' or '.join(endings)}{' with --watch' * watching}; found {path.name}.")


def write_answers(path: Path, answers: Sequence[JsonObject]) -> None:
    """Writes answers as a table, a list or lines, by the file's ending, in one go.

    Raises:
        StoreError: If it cannot be written.
    """
    if path.suffix.lower() == _LIST:
        write_json(path, answers)
    elif path.suffix.lower() == _LINES:
        write_text(path, "".join(json.dumps(answer, ensure_ascii=False, allow_nan=False) + "\n" for answer in answers))
    else:
        rows = [table_row(answer) for answer in answers]
        write_csv(path, tuple(rows[0]) if rows else ("path",), rows)


def table_row(answer: JsonObject) -> JsonObject:
    """An answer in short: one column a genre holds its probability."""
    subgenre = answer.get("subgenre") or {}
    return {
        "path": answer["path"],
        "genres": "|".join(genre["name"] for genre in answer["genres"] if genre["decided"]),
        "sure": answer["sure"],
        "unsure_because": "; ".join(answer["unsure_because"]),
        "subgenre_id": subgenre.get("id", ""),
        "subgenre": subgenre.get("name", ""),
        "missing": "|".join(answer["missing"]),
        **{g["name"]: f"{g['probability']:.4f}" for g in sorted(answer["genres"], key=lambda g: str(g["name"]))},
    }


def watch_folder(
    folder: Path, answer: Answer, out: Path | None, *, every_s: float = 2.0, sleep: Callable[[float], None] = time.sleep
) -> Iterator[JsonObject | Unread]:
    """Answers for each film that comes into a folder, for ever; those there already come first.

    A file is read once its size and time have stayed the same from one look to the next. One that cannot be read is
    told, and tried again when it changes. What `out` holds already is not done again.

    Args:
        folder: Where films arrive.
        answer: What is asked.
        out: Table (.csv) or lines (.jsonl) to which each answer is added when it is there.
        every_s: Seconds between looks.
        sleep: Waits.

    Raises:
        MediaError: If there is no such folder.
        StoreError: If `out` cannot be read or written.
    """
    find_videos(folder)  # a wrong folder is told at once
    known = _answered(out)
    before: dict[Path, tuple[int, int]] = {}
    done: dict[Path, tuple[int, int]] = {}
    while True:
        now: dict[Path, tuple[int, int]] = {}
        with suppress(CinegrainError):  # a network drive may be away for a while
            for path in find_videos(folder):
                with suppress(OSError):  # gone meanwhile
                    status = path.stat()
                    now[path] = status.st_size, status.st_mtime_ns
        for path, stamp in now.items():
            if path_text(path) in known or done.get(path) == stamp or before.get(path) != stamp or not stamp[0]:
                continue
            done[path] = stamp
            try:
                found = answer(path)
            except (ConfigError, StoreError):
                raise
            except CinegrainError as error:
                yield Unread(path, str(error))
                continue
            if out is not None:
                _append(out, found)
            yield found
        before = now
        sleep(every_s)


def _answered(out: Path | None) -> set[str]:
    if out is None or not out.is_file():
        return set()
    try:
        text = out.read_text(encoding="utf-8")
        if out.suffix.lower() == _TABLE:
            return {row["path"] for row in csv_rows(text)}
        # Not splitlines(), which cuts at U+2028 as well; the last line may be torn.
        return {json.loads(line)["path"] for line in text.split("\n") if line.endswith("}")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{out} cannot be gone on with: {error!r}. Choose another --out.") from error


def _append(out: Path, answer: JsonObject) -> None:
    if out.suffix.lower() == _TABLE:
        row = table_row(answer)
        text = ("" if out.is_file() else csv_header(row)) + csv_line(row.values())
    else:
        text = json.dumps(answer, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StoreError(f"Cannot write {out}: {error.strerror or error}. Choose another --out.") from error
