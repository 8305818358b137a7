"""8-bit graphs from a user's own films: they are read once, and every expert's graphs are made and measured."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cinegrain.errors import DataError
from cinegrain.experts.base import Family
from cinegrain.experts.quantise import quantise_family
from cinegrain.experts.registry import families_for, needs_clips
from cinegrain.experts.runtime import QuantisedGraph
from cinegrain.media.reader import TrailerReader
from cinegrain.media.settings import MediaSettings
from cinegrain.pipeline.progress import Watcher
from cinegrain.places import cache_folder
from cinegrain.types import Scene

_SCENES_A_FILM = 12
_FRAMES_A_SCENE = 6
MIN_SCENES = 8


def quantise_experts(
    experts: Sequence[str], films: Sequence[Path], settings: MediaSettings, watcher: Watcher
) -> list[QuantisedGraph]:
    """Makes 8-bit graphs for experts and measures them; every second scene is held out for the measuring.

    Args:
        experts: Their names.
        films: What to calibrate with; some dozen trailers like those that will be looked at are enough.
        settings: How films are cut and sampled.
        watcher: Who watches.

    Returns:
        One note for each graph.

    Raises:
        DataError: If the films give too few scenes, or none that an expert can use.
        MediaError: If a film cannot be read.
        WeightsError: If an expert's weights cannot be had.
    """
    scenes: list[Scene] = []
    with watcher.stage("Reading films to calibrate with") as on_step:
        for done, film in enumerate(films, start=1):
            scenes += _some_scenes(film, settings, with_clips=needs_clips(experts))
            on_step(done, len(films), film.name)
    if len(scenes) < MIN_SCENES:
        raise DataError(f"The films give {len(scenes)} scenes; at least {MIN_SCENES} are needed. Name more films.")
    families: list[Family] = families_for(experts)
    notes: list[QuantisedGraph] = []
    with watcher.stage("Making and measuring 8-bit graphs") as on_step:
        for done, family in enumerate(families, start=1):
            notes += quantise_family(family, cache_folder(), [[s] for s in scenes[::2]], [[s] for s in scenes[1::2]])
            on_step(done, len(families), ", ".join(card.name for card in family.cards))
    return notes


def _some_scenes(film: Path, settings: MediaSettings, *, with_clips: bool) -> Iterator[Scene]:
    """The first scenes of a film, with no more pictures than are needed."""
    with TrailerReader(film, settings, with_clips=with_clips) as reader:
        for n, scene in enumerate(reader.scenes(), start=1):
            yield _thinned(scene.as_heard())
            if n == _SCENES_A_FILM:
                return


def _thinned(scene: Scene) -> Scene:
    return replace(
        scene,
        frames=scene.frames[:_FRAMES_A_SCENE].copy(),
        frame_times_s=scene.frame_times_s[:_FRAMES_A_SCENE],
        clips=scene.clips[:1].copy(),
        clip_times_s=scene.clip_times_s[:1],
    )
