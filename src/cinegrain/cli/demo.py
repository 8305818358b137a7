"""`cinegrain demo`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cinegrain.cli.console import out, print_json, watcher
from cinegrain.cli.options import SOME_FAILED, JsonFlag, guarded, needs, with_settings
from cinegrain.cli.run import headline, show_summary
from cinegrain.config import load_settings


@guarded
@needs("train", "report")
@with_settings("seed", "extract", "train", "finetune", "discover")
def demo(
    flags: dict[str, Any],
    out_folder: Annotated[Path, typer.Option("--out", help="Run folder.")] = Path("runs/demo"),
    films: Annotated[int, typer.Option("--films", help="Number of short films to render.")] = 96,
    as_json: JsonFlag = False,
) -> None:
    """Run all stages on rendered films with known sub-genres."""
    from cinegrain.cli.recovery import recover
    from cinegrain.pipeline.report import make_report
    from cinegrain.pipeline.stages import run_all
    from cinegrain.runs.layout import Run
    from cinegrain_demo.corpus import render_corpus
    from cinegrain_demo.plan import CorpusSettings

    settings, watching = load_settings(flags=flags), watcher()
    run = Run.open(out_folder, create=True)
    with watching.stage("Rendering films") as on_step:
        corpus = render_corpus(
            run.folder / "corpus",
            CorpusSettings(n_films=films, seed=settings.seed),
            workers=settings.extract.n_workers,
            on_film=lambda done, total: on_step(done, total, "demo corpus"),
        )
    summary = run_all(corpus.videos, corpus.catalog, out_folder, settings, watching)
    with watching.stage("Planted sub-genres") as on_step:
        recovery = recover(run, corpus.truth, settings)
        on_step(1, 1, "scored")
    make_report(run, watching)
    failures = summary.extracted.failures
    if as_json:
        print_json({"run": str(out_folder), **asdict(headline(out_folder)), "recovery": recovery})
    else:
        show_summary(out_folder, summary.n_trailers, summary.extracted.n_done, list(summary.notes), len(failures))
        table = Table(
            title="Recovery of the planted sub-genres (1 is perfect, ARI 0 is chance)", box=None, padding=(0, 2)
        )
        for column in ("k-means on", "clusters", "ARI", "accuracy", "NMI"):
            table.add_column(column, justify="left" if column == "k-means on" else "right")
        for row in recovery:
            table.add_row(
                row["method"],
                f"{row['n_clusters']} ({row['k']})",
                _spread(row, "ari"),
                _spread(row, "accuracy"),
                _spread(row, "nmi"),
            )
        out.print(table)
    if failures:
        raise typer.Exit(SOME_FAILED)


def _spread(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:.2f} ± {row[name + '_sd']:.2f}"
