"""`cinegrain extract`, `train`, `finetune`, `discover`, `report`: single stages."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cinegrain.cli.console import note, out, print_json, watcher
from cinegrain.cli.options import SOME_FAILED, ConfigFile, JsonFlag, RunArgument, guarded, needs, with_settings
from cinegrain.cli.run import CatalogFile, Columns, GenreMap, Out, RetryFailed, Videos, headline, reading
from cinegrain.config import Settings, load_settings, save_settings

if TYPE_CHECKING:
    from cinegrain.pipeline.learning.train import RunData
    from cinegrain.runs.layout import Run


@guarded
@with_settings("extract", "media")
def extract(
    videos: Videos,
    catalog: CatalogFile,
    out_folder: Out,
    flags: dict[str, Any],
    columns: Columns = None,
    genre_map: GenreMap = None,
    config: ConfigFile = None,
    retry_failed: RetryFailed = False,
    as_json: JsonFlag = False,
) -> None:
    """Split films into scenes and compute the experts' vectors."""
    from cinegrain.media.remote import source
    from cinegrain.pipeline.extraction.extract import extract_folder

    settings = load_settings(*([config] if config else []), flags=flags)
    run, matched, summary = extract_folder(
        source(videos),
        catalog,
        out_folder,
        settings,
        watcher(),
        retry_failed=retry_failed,
        reading=reading(columns, genre_map),
    )
    if as_json:
        failures = [{"trailer_id": f.trailer_id, "reason": f.reason} for f in summary.failures]
        print_json(
            {
                "run": str(run.folder),
                "embedded": summary.n_done,
                "new": summary.n_new,
                "failures": failures,
                "notes": list(matched.notes),
            }
        )
    else:
        for text in matched.notes:
            note(text)
        out.print(f"{summary.n_done} of {len(matched.trailers)} films in {run.dataset} ({summary.n_new} new)")
    if summary.failures:
        raise typer.Exit(SOME_FAILED)


@guarded
@needs("train")
@with_settings("seed", "split", "model", "train")
def train(run: RunArgument, flags: dict[str, Any], config: ConfigFile = None, as_json: JsonFlag = False) -> None:
    """Train the genre model.

    On several devices: accelerate launch --num_processes 2 -m cinegrain train RUN
    """
    from cinegrain.pipeline.learning.train import train as train_stage
    from cinegrain.runs.progress import Silent
    from cinegrain.training.devices import launched_devices

    devices = launched_devices()
    with devices.main_first():  # it creates files that the others read
        opened, data, settings = _open(run, config, flags)
        data.arrays.pooled()
    train_stage(opened, data, settings, watcher() if devices.is_main else Silent(), devices)
    devices.finish()
    if devices.is_main:
        _print_model(opened.coarse, as_json)


@guarded
@needs("train")
@with_settings("seed", "finetune")
def finetune(run: RunArgument, flags: dict[str, Any], config: ConfigFile = None, as_json: JsonFlag = False) -> None:
    """Learn the embedding that sub-genres are found in."""
    from cinegrain.pipeline.learning.train import fine_tune

    opened, data, settings = _open(run, config, flags)
    fine_tune(opened, data, settings, watcher())
    _print_model(opened.finetuned, as_json)


@guarded
@needs("train")
@with_settings("seed", "discover")
def discover(run: RunArgument, flags: dict[str, Any], config: ConfigFile = None, as_json: JsonFlag = False) -> None:
    """Find and name sub-genres, and evaluate the models."""
    from cinegrain.pipeline.discover import discover as discover_stage

    opened, data, settings = _open(run, config, flags)
    discover_stage(opened, data, settings, watcher())
    figures = headline(opened.folder)
    if as_json:
        print_json(figures)
        return
    for subgenre in figures.subgenres:
        line = f"{subgenre.id}  {subgenre.size:4d} films  {subgenre.verdict:8s}  {subgenre.name}"
        out.print(line, highlight=False, markup=False)
    out.print(figures.structure, highlight=False, markup=False, soft_wrap=True)


@guarded
@needs("train", "report")
def report(run: RunArgument, as_json: JsonFlag = False) -> None:
    """Write report.html."""
    from cinegrain.pipeline.report import make_report
    from cinegrain.runs.layout import Run

    opened = Run.open(run)
    make_report(opened, watcher())
    if as_json:
        print_json({"report": str(opened.report)})
    else:
        out.print(str(opened.report), highlight=False, soft_wrap=True)


def _open(run: Path, config: Path | None, flags: dict[str, Any]) -> tuple["Run", "RunData", Settings]:
    """A run, its data, and its settings with the given changes, which are saved."""
    from cinegrain.experts.registry import expert_names
    from cinegrain.pipeline.learning.train import load_data
    from cinegrain.runs.catalog import load_matched
    from cinegrain.runs.layout import Run

    opened = Run.open(run)
    settings = load_settings(
        *([opened.settings] if opened.settings.is_file() else []), *([config] if config else []), flags=flags
    )
    data = load_data(opened, load_matched(opened.catalog).trailers, expert_names(settings.extract.experts))
    save_settings(settings, opened.folder)
    return opened, data, settings


def _print_model(folder: Path, as_json: bool) -> None:
    from cinegrain.runs.artifacts import read_json

    history = read_json(folder / "model.json")["history"]
    if as_json:
        print_json({"model": str(folder), "epochs": len(history), "history": history})
    else:
        out.print(f"{folder}: {len(history)} epochs", highlight=False, soft_wrap=True)
