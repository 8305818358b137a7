"""Runs all stages."""

from dataclasses import dataclass
from pathlib import Path

from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.config import Settings
from cinegrain.experts.registry import expert_names
from cinegrain.pipeline.discover import discover
from cinegrain.pipeline.extraction.extract import ExtractSummary, extract, match_folder
from cinegrain.pipeline.learning.measure import Metrics
from cinegrain.pipeline.learning.train import fine_tune, load_data, train
from cinegrain.pipeline.preflight import check_films
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.runs.artifacts import read_as
from cinegrain.runs.catalog import load_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Watcher
from cinegrain.types import Source


@dataclass(frozen=True)
class RunSummary:
    """Result of a run, with notes."""

    folder: Path
    n_trailers: int
    extracted: ExtractSummary
    notes: tuple[str, ...]


def run_all(
    videos: Source,
    catalog: Path,
    out: Path,
    settings: Settings,
    watcher: Watcher,
    *,
    retry_failed: bool = False,
    reading: Reading = AS_FOUND,
) -> RunSummary:
    """Runs all stages on a folder of videos and a catalogue.

    A stage is skipped if its result for these inputs exists.

    Raises:
        CinegrainError: If the input cannot be used or the output not written.
    """
    run, matched = match_folder(videos, catalog, out, settings, reading=reading, check=check_films)
    extracted = extract(run, matched.trailers, settings, watcher, retry_failed=retry_failed)
    notes = [*matched.notes, *model_films(run, settings, watcher)]
    return RunSummary(run.folder, len(matched.trailers), extracted, tuple(notes))


def model_films(run: Run, settings: Settings, watcher: Watcher) -> list[str]:
    """Runs every stage after extraction; returns notes on genres left out."""
    data = load_data(run, load_matched(run.catalog).trailers, expert_names(settings.extract.experts))
    train(run, data, settings, watcher)
    fine_tune(run, data, settings, watcher)
    discover(run, data, settings, watcher)
    from cinegrain.pipeline.report import make_report  # needs an extra, unlike `headline`

    make_report(run, watcher)
    return [
        f"genre {genre!r} has only {n} film{'s' if n > 1 else ''} and is not learned"
        for genre, n in data.left_out.items()
    ]


@dataclass(frozen=True)
class SubGenreLine:
    """A sub-genre in one line; `verdict` is `edited` where a person changed its films."""

    id: str
    name: str
    size: int
    verdict: str


@dataclass(frozen=True)
class Headline:
    """Main figures of a run; macro mAP on held-out films, with a 95 % interval where they suffice for one."""

    genres: int
    subgenres: tuple[SubGenreLine, ...]
    structure: str
    test_films: int
    test_map: float | None
    test_map_interval: tuple[float | None, float | None]
    chance_map: float | None
    report: str


def headline(run: Run) -> Headline:
    """Main figures of a run."""
    metrics, atlas = read_as(run.metrics, Metrics), open_atlas(run)
    coarse = metrics.coarse
    return Headline(
        genres=metrics.n_genres,
        subgenres=tuple(
            SubGenreLine(card.id, card.name, card.size, card.verdict.kind if card.verdict else "edited")
            for card in atlas.cards
        ),
        structure=atlas.found.structure.said,
        test_films=coarse.n_films,
        test_map=coarse.map_macro,
        test_map_interval=(coarse.map_low, coarse.map_high),
        chance_map=coarse.map_chance,
        report=str(run.report),
    )
