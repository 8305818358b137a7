"""The export stage: writes a genre model to a folder that predicts without PyTorch."""

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from cinegrain.config import load_settings
from cinegrain.errors import StoreError
from cinegrain.explain.familiarity import QUANTILE, fit_familiarity
from cinegrain.pipeline.export.exported import EXPORT_FORMAT, GRAPH_FILE
from cinegrain.pipeline.export.graph import save_graph
from cinegrain.pipeline.export.model_card import model_card
from cinegrain.pipeline.learning.evaluate import evaluation_figures
from cinegrain.pipeline.learning.sure import FAMILIARITY_FILE
from cinegrain.pipeline.learning.trained import load_trained
from cinegrain.results import to_json
from cinegrain.runs.artifacts import read_json, write_bytes, write_json, write_text
from cinegrain.runs.layout import EXPORT_FILE, Run
from cinegrain.runs.progress import Watcher
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.types import JsonObject

INPUTS_FILE, README_FILE = "inputs.json", "README.md"


def export_model(run: Run, out: Path, watcher: Watcher) -> tuple[str, ...]:
    """Writes the genre model of a run to a folder, atomically.

    Args:
        run: A trained run.
        out: A new or empty folder, or an earlier export, which is replaced.
        watcher: Receives progress.

    Returns:
        Genres of the model.

    Raises:
        StoreError: If the run is not trained, or `out` has other content or cannot be written.
    """
    _check_place(out)
    with watcher.stage("Export") as on_step:
        trained = load_trained(run)
        model, data, settings = trained.model, trained.data, load_settings(run.settings)
        stored = {expert.name: expert for expert in EmbeddingDataset(run.dataset).experts}
        figures = evaluation_figures(trained, n_mistakes=0)
        on_step(1, 2, "figures on the test films")
        means = {name: data.arrays.means(name) for name in model.spec.experts}
        familiarity = fit_familiarity(means, trained.split.train, trained.split.val, seed=settings.seed)
        description: JsonObject = {
            "format": EXPORT_FORMAT,
            "genres": list(model.spec.genres),
            "thresholds": trained.card.thresholds,
            "calibration": asdict(trained.calibration.to_stored()),
            "experts": [to_json(stored[name]) for name in model.spec.experts],
            "precision": settings.extract.precision,
            "media": asdict(settings.media),
            "model": asdict(model.spec.settings),
            "strangeness": {"threshold": familiarity.threshold, "quantile": QUANTILE},
            "figures": figures,
            "provenance": {**asdict(trained.card.provenance), "key": trained.card.key},
        }
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as place:
                folder = Path(place) / "model"
                save_graph(model, folder / GRAPH_FILE)
                write_bytes(folder / FAMILIARITY_FILE, familiarity.to_bytes())
                write_json(folder / INPUTS_FILE, _inputs(trained.model.spec.experts, model.state_dict()))
                write_text(folder / README_FILE, model_card(description))
                write_json(folder / EXPORT_FILE, description)
                if out.is_dir():
                    shutil.rmtree(out)
                folder.rename(out)
        except OSError as error:
            raise StoreError(f"Cannot write {out}: {error.strerror or error}. Choose another --out.") from error
        on_step(2, 2, out.name)
    return model.spec.genres


def _check_place(out: Path) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if out.is_dir() and (out / EXPORT_FILE).is_file() and "format" in read_json(out / EXPORT_FILE):
        known = {EXPORT_FILE, GRAPH_FILE, INPUTS_FILE, README_FILE, FAMILIARITY_FILE}
        if {path.name for path in out.iterdir()} <= known:
            return
    raise StoreError(
        f"{out} exists and has content other than an exported model. Choose an empty or new folder for --out."
    )


def _inputs(experts: tuple[str, ...], weights: JsonObject) -> JsonObject:
    """Mean and standard deviation of each expert's vectors over the training films, for comparison with others."""
    return {
        name: {"mean": weights[f"mean_{name}"].tolist(), "deviation": (1 / weights[f"scale_{name}"]).tolist()}
        for name in experts
    }
