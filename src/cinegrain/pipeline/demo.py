"""The demonstration: a rendered corpus through all stages, then the score against what was planted."""

from dataclasses import dataclass
from pathlib import Path

from cinegrain.config import Settings
from cinegrain.demo.corpus import render_corpus
from cinegrain.demo.plan import CorpusSettings
from cinegrain.experts.registry import expert_names
from cinegrain.pipeline.catalog import load_matched
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.learning.train import load_data
from cinegrain.pipeline.progress import Watcher
from cinegrain.pipeline.recovery import recover
from cinegrain.pipeline.report import make_report
from cinegrain.pipeline.run import RunSummary, run_all
from cinegrain.types import JsonObject


@dataclass(frozen=True)
class DemoResult:
    """The run, and how well its planted sub-genres were found again."""

    summary: RunSummary
    recovery: list[JsonObject]


def run_demo(out: Path, n_films: int, settings: Settings, watcher: Watcher) -> DemoResult:
    """Renders the corpus into the run folder, runs everything, scores.

    Raises:
        CinegrainError: If the folder cannot be written, or too few films are asked for.
    """
    run = Run.open(out, create=True)
    corpus = CorpusSettings(n_films=n_films, seed=settings.seed)
    with watcher.stage("Rendering films") as on_step:
        files = render_corpus(
            run.folder / "corpus",
            corpus,
            workers=settings.extract.n_workers,
            on_film=lambda done, total: on_step(done, total, "demo corpus"),
        )
    summary = run_all(files.videos, files.catalog, out, settings, watcher)
    data = load_data(run, load_matched(run.catalog).trailers, expert_names(settings.extract.experts))
    with watcher.stage("Planted sub-genres") as on_step:
        rows = recover(run, data, files.truth, settings.discover, seed=settings.seed)
        on_step(1, 1, "scored")
    make_report(run, watcher)
    return DemoResult(summary, rows)
