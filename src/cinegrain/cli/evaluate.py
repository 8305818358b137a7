"""`cinegrain evaluate` and `ablate`: quality of the genre model, and the contribution of each modality."""

from typing import Annotated, Any

import typer
from rich.table import Table

from cinegrain.cli.console import note, out, print_json, watcher
from cinegrain.cli.options import JsonFlag, RunArgument, guarded, needs


@guarded
@needs("train", "report")
def evaluate(
    run: RunArgument,
    mistakes: Annotated[int, typer.Option("--mistakes", min=0, max=500, help="Number of worst mistakes to show.")] = 24,
    as_json: JsonFlag = False,
) -> None:
    """Evaluate the genre model on held-out films.

    Writes HTML, Markdown, JSON and CSV to RUN/evaluation/.
    """
    from cinegrain.pipeline.learning.evaluate import evaluate as evaluate_stage
    from cinegrain.runs.layout import Run

    opened = Run.open(run)
    figures = evaluate_stage(opened, watcher(), n_mistakes=mistakes)
    if as_json:
        print_json(figures)
        return
    low, high = figures["map_low"], figures["map_high"]
    interval = "" if low is None else f" (95 % interval {low:.2f} to {high:.2f}; chance {figures['map_chance']:.2f})"
    out.print(f"{figures['n_films']} test films: mAP {_text(figures['map_macro'])}{interval}", highlight=False)
    for key in ("ap_micro", "ap_weighted", "ap_samples", "f1_micro", "f1_macro", "f1_weighted"):
        out.print(f"  {key:<12}{_text(figures[key])}", highlight=False)
    found = figures["calibration"]
    out.print(
        f"  {'ECE':<12}{found['calibrated']['ece']:.3f} (uncalibrated {found['uncalibrated']['ece']:.3f})",
        highlight=False,
    )
    out.print(_genre_table(figures["genres"]))
    if figures["left_out"]:
        note(f"No test film has {', '.join(figures['left_out'])}: left out of the means.")
    out.print(f"page: {opened.folder / 'evaluation' / 'evaluation.html'}", highlight=False, soft_wrap=True)


def _genre_table(genres: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2), title="Test films, with 95 % intervals")
    for column in ("genre", "films", "AP", "precision", "recall", "F1", "from"):
        table.add_column(column, justify="left" if column == "genre" else "right")
    for genre in genres:
        cells = [_with_interval(genre, score) for score in ("ap", "precision", "recall", "f1")]
        table.add_row(genre["genre"], str(genre["n_positive"]), *cells, f"{genre['threshold']:.2f}")
    return table


def _with_interval(genre: dict[str, Any], score: str) -> str:
    if genre["intervals"] is None:
        return "–"
    low, high = genre["intervals"][score]
    return f"{genre[score]:.2f} ({low:.2f}–{high:.2f})"


def _text(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


@guarded
@needs("train", "report")
def ablate(
    run: RunArgument,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=100, help="Number of seeds per combination.")] = 3,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Number of processes.", show_default="extract.workers")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Retrain the genre model on every subset of experts.

    Writes HTML, Markdown, JSON and CSV to RUN/ablation/. Run it again to continue an interrupted ablation.
    """
    from cinegrain.pipeline.learning.ablate import ablate as ablate_stage
    from cinegrain.runs.layout import Run

    opened = Run.open(run)
    figures = ablate_stage(opened, watcher(), n_seeds=seeds, workers=workers)
    if as_json:
        print_json(figures)
        return
    table = Table(box=None, padding=(0, 2), title=f"Macro mAP on {figures['n_films']} test films")
    for column in ("modalities", "mAP", "deviation"):
        table.add_column(column, justify="left" if column == "modalities" else "right")
    for subset in sorted(figures["subsets"], key=lambda subset: -subset["map"]):
        table.add_row("+".join(subset["modes"]), f"{subset['map']:.3f}", _text(subset["map_deviation"]))
    out.print(table)
    found = figures["agreement"]
    out.print(
        "Rank correlation of retraining and Shapley influence: "
        f"{_text(found['all_pairs'])} over all pairs, {_text(found['within_genres'])} within a genre",
        highlight=False,
    )
    out.print(f"page: {opened.folder / 'ablation' / 'ablation.html'}", highlight=False, soft_wrap=True)
