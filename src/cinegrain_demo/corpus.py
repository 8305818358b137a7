"""Renders a whole corpus into a folder, in parallel, and resumes where an earlier run stopped."""

import csv
import io
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import connection
from pathlib import Path

import cv2

from cinegrain.errors import ConfigError
from cinegrain_demo.plan import CorpusSettings, FilmPlan, plan_corpus
from cinegrain_demo.render import PART_SUFFIX, is_whole, render_film

_LICENCE = "CC0-1.0"
_RENDERER = 1  # raise it when films of the same settings come out different
_FILM_PATTERN = "film-*.mp4"


@dataclass(frozen=True)
class CorpusFiles:
    """Where everything is.

    Attributes:
        videos: Folder of the films.
        catalog: What a user would have: file, trailer_id, title, year, genres.
        truth: The planted sub-genres; only the final scoring may read it.
        n_rendered: Films made by this call.
        n_skipped: Films that were there already.
    """

    videos: Path
    catalog: Path
    truth: Path
    n_rendered: int
    n_skipped: int


def render_corpus(
    folder: Path,
    settings: CorpusSettings,
    *,
    workers: int | None = None,
    on_film: Callable[[int, int], None] | None = None,
) -> CorpusFiles:
    """Render every film that is not there yet, and write the catalogue and the truth.

    Films of other settings that an earlier call made in this folder are replaced. An interruption leaves only
    whole films behind; the same call then goes on from there.

    Args:
        folder: Where to write; made if need be.
        settings: Which corpus.
        workers: Number of single-threaded processes; None takes one for each core.
        on_film: Called with (films done, films in all) at the start and after each film.

    Returns:
        Where the files are, and what was done.

    Raises:
        ConfigError: If workers < 1.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"expected at least one worker, found {workers}; leave it out for one a core")
    plans = plan_corpus(settings)
    videos = folder / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    _prepare(folder, videos, settings)
    missing = [plan for plan in plans if not is_whole(plan, videos / plan.file_name)]
    n_skipped = len(plans) - len(missing)
    files = CorpusFiles(videos, folder / "catalog.csv", folder / "truth.csv", len(missing), n_skipped)
    _write_catalog(files.catalog, plans)
    _write_truth(files.truth, plans)

    def report(n_made: int) -> None:
        if on_film is not None:
            on_film(n_skipped + n_made, len(plans))

    report(0)
    if missing:
        _render_all(missing, videos, min(workers or os.cpu_count() or 1, len(missing)), report)
    return files


def _prepare(folder: Path, videos: Path, settings: CorpusSettings) -> None:
    """Note the settings; sweep away half films, and films of other settings."""
    note = folder / "corpus.json"
    wanted = {"settings": asdict(settings), "renderer": _RENDERER, "licence": _LICENCE}
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    for part in videos.glob(f".{_FILM_PATTERN}.*{PART_SUFFIX}"):
        part.unlink(missing_ok=True)
    if found != wanted:
        for film in videos.glob(_FILM_PATTERN):
            film.unlink()
        _write_text(note, json.dumps(wanted, indent=2) + "\n")


def _render_all(plans: Sequence[FilmPlan], videos: Path, n_workers: int, on_done: Callable[[int], None]) -> None:
    pool = ProcessPoolExecutor(n_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        futures: list[Future[None]] = [pool.submit(render_film, plan, videos / plan.file_name) for plan in plans]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            on_done(done)
    finally:
        # Also after Ctrl-C: drop what has not begun and let the workers finish the film in hand.
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """Make this process single-threaded, deaf to Ctrl-C (the parent stops it), and mortal with its parent."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _write_catalog(path: Path, plans: Sequence[FilmPlan]) -> None:
    rows = [["file", "trailer_id", "title", "year", "genres"]]
    rows += [[f"videos/{p.file_name}", p.film_id, p.title, str(p.year), "|".join(p.genres)] for p in plans]
    _write_rows(path, rows)


def _write_truth(path: Path, plans: Sequence[FilmPlan]) -> None:
    rows = [["trailer_id", "subgenre", "setting", "motion", "sound"]]
    rows += [[p.film_id, p.subgenre, p.setting, p.motion, p.sound] for p in plans]
    _write_rows(path, rows)


def _write_rows(path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    _write_text(path, "\ufeff" + text.getvalue())  # by the mark spreadsheets know UTF-8


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}{PART_SUFFIX}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
