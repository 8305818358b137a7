"""Creates and evaluates 8-bit graphs of experts from a user's own films."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cinegrain.errors import DataError
from cinegrain.experts.base import Family
from cinegrain.experts.quantise import quantise_family
from cinegrain.experts.registry import families_for, needs_clips
from cinegrain.experts.runtime import QuantisedGraph
from cinegrain.media.remote import local_copy, source_name, source_text
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.pipeline.extraction.embed import Job
from cinegrain.pipeline.extraction.jobs import Failed, OnProgress
from cinegrain.pipeline.extraction.workers import calling_pool
from cinegrain.runs.progress import Watcher
from cinegrain.settings import ExtractSettings, MediaSettings
from cinegrain.types import Scene, Source
from cinegrain.urls import cache_folder

_SCENES_A_FILM = 12
_FRAMES_A_SCENE = 6
MIN_SCENES = 8


@dataclass(frozen=True)
class Quantised:
    """Result of quantisation.

    Attributes:
        notes: One note per graph.
        failed: Films that could not be read.
    """

    notes: tuple[QuantisedGraph, ...]
    failed: tuple[Failed, ...]


def quantise_experts(
    experts: Sequence[str], films: Sequence[Source], settings: MediaSettings, watcher: Watcher
) -> Quantised:
    """Creates 8-bit graphs of experts and evaluates them on every second scene, which is held out.

    Args:
        experts: Names of experts.
        films: Films to calibrate with; some dozen trailers are enough. Unreadable ones are left out.
        settings: Cutting and sampling.
        watcher: Receives progress.

    Raises:
        DataError: If the films give too few scenes, or none that an expert can use.
        WeightsError: If an expert's weights cannot be downloaded.
    """
    by_film: dict[str, list[Scene]] = {}
    failed: list[Failed] = []
    read = functools.partial(_some_scenes, settings=settings, with_clips=needs_clips(experts))
    jobs = [Job(source_text(film), film) for film in dict.fromkeys(films)]
    n_workers = max(1, min(ExtractSettings().n_workers, len(jobs)))
    with (
        watcher.stage("Reading films for calibration") as on_step,
        calling_pool(read, limit_s=settings.time_limit_s, workers=n_workers) as pool,
    ):
        for done, outcome in enumerate(pool.each(jobs), start=1):
            if isinstance(outcome, Failed):
                failed.append(outcome)
            else:
                by_film[outcome.trailer_id] = outcome.value
            on_step(done, len(jobs), source_name(outcome.job.path))
    scenes = [scene for job in jobs for scene in by_film.get(job.trailer_id, [])]
    if len(scenes) < MIN_SCENES:
        why = f" ({failed[0].trailer_id}: {failed[0].reason})" if failed else ""
        raise DataError(f"At least {MIN_SCENES} scenes are needed; the films have {len(scenes)}. Add films.{why}")
    families: list[Family] = families_for(experts)
    notes: list[QuantisedGraph] = []
    with watcher.stage("Quantising") as on_step:
        for done, family in enumerate(families, start=1):
            notes += quantise_family(family, cache_folder(), [[s] for s in scenes[::2]], [[s] for s in scenes[1::2]])
            on_step(done, len(families), ", ".join(card.name for card in family.cards))
    return Quantised(tuple(notes), tuple(failed))


def _some_scenes(job: Job, on_progress: OnProgress, *, settings: MediaSettings, with_clips: bool) -> list[Scene]:
    """The first scenes of a film, with only the pictures needed."""
    limit_bytes, limit_s = ExtractSettings().download_limit_bytes, settings.time_limit_s
    with (
        local_copy(job.path, limit_bytes=limit_bytes, limit_s=limit_s, on_progress=on_progress) as path,
        TrailerReader(path, settings, with_clips=with_clips) as reader,
    ):
        return [_thinned(scene.as_heard()) for scene in itertools.islice(reader.scenes(), _SCENES_A_FILM)]


def _thinned(scene: Scene) -> Scene:
    return replace(
        scene,
        frames=scene.frames[:_FRAMES_A_SCENE].copy(),
        frame_times_s=scene.frame_times_s[:_FRAMES_A_SCENE],
        clips=scene.clips[:1].copy(),
        clip_times_s=scene.clip_times_s[:1],
    )
