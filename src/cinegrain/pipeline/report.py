"""The report stage: writes a finished run as one HTML file."""

from collections.abc import Sequence
from pathlib import PurePath

from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.pipeline.extraction.extract import read_failures
from cinegrain.report.data import Artifacts, Failure, wanted_pictures
from cinegrain.report.page import render
from cinegrain.results import to_json
from cinegrain.runs.artifacts import read_json, write_text
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import OnStep, Watcher
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import most_telling

_PAGES = {
    "evaluation (intervals, confusion, worst mistakes)": "evaluation/evaluation.html",
    "ablation (every combination of modalities)": "ablation/ablation.html",
}


def make_report(run: Run, watcher: Watcher) -> None:
    """Writes report.html, always, since that is quicker than checking for changes.

    Raises:
        StoreError: If an artifact is missing or damaged, or the report cannot be written.
    """
    joined, metrics = open_atlas(run), read_json(run.metrics)
    atlas, trailers = joined.to_dict(), to_json([row for row in joined.rows if row.sub_genre])
    dataset = EmbeddingDataset(run.dataset)
    exemplars = [trailer_id for card in joined.cards for trailer_id in card.exemplars]
    wanted = wanted_pictures([row["trailer_id"] for row in trailers], exemplars)
    with watcher.stage("Report") as on_step:
        thumbnails = _thumbnails(dataset, wanted, on_step)
        on_step(len(wanted), len(wanted) + 1, "writing the page")
        html = render(
            Artifacts(
                metrics=metrics,
                atlas=atlas,
                trailers=trailers,
                notes=read_json(run.catalog)["notes"],
                failures=[
                    Failure(row.trailer_id, PurePath(row.path).name, row.reason) for row in read_failures(run.failures)
                ],
                experts=to_json(dataset.experts),
                settings=run.settings.read_text(encoding="utf-8") if run.settings.is_file() else "",
                thumbnails=thumbnails,
                recovery=read_json(run.recovery) if run.recovery.is_file() else None,
                pages={title: place for title, place in _PAGES.items() if (run.folder / place).is_file()},
            )
        )
        write_text(run.report, html)
        on_step(len(wanted) + 1, len(wanted) + 1, run.report.name)


def _thumbnails(dataset: EmbeddingDataset, trailer_ids: Sequence[str], on_step: OnStep) -> dict[str, bytes]:
    pictures = {}
    for done, trailer_id in enumerate(trailer_ids, start=1):
        picture = most_telling(dataset.scenes(trailer_id))
        if picture is not None:
            pictures[trailer_id] = picture
        on_step(done, len(trailer_ids) + 1, trailer_id)
    return pictures
