"""Reads a film of one or several files as one stream of scenes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from cinegrain.errors import MediaError
from cinegrain.media.facts import FLAGS, MediaFacts
from cinegrain.media.probe import has_pictures
from cinegrain.media.trailer_reader import TrailerReader
from cinegrain.settings import MediaSettings
from cinegrain.types import Scene

FindCuts = Callable[[Path], Sequence[float]]
"""Finds the start times of scenes in a file, in seconds, without the first."""


class FilmReader:
    """Reads a film once: one picture file after the other, each with its sound file if there is one.

    A scene ends where a file ends.

    Example:
        with FilmReader([Path("cd1.avi"), Path("cd2.avi")]) as reader:
            for scene in reader.scenes():
                ...
            facts = reader.facts()
    """

    def __init__(
        self,
        paths: Sequence[Path],
        settings: MediaSettings | None = None,
        *,
        with_clips: bool = False,
        find_cuts: FindCuts | None = None,
    ) -> None:
        """Open the files.

        Args:
            paths: Files of the film in order, at least one. Those without pictures are the sound of the others, one
                for each.
            settings: Cutting and sampling.
            with_clips: Whether scenes have clips.
            find_cuts: Finds the cuts in a file; by default `CutDetector` does.

        Raises:
            MediaError: If a file cannot be read, or the sound files do not match the picture files.
        """
        self._facts: list[MediaFacts] = []
        with ExitStack() as opening:
            self._readers = [
                opening.enter_context(
                    TrailerReader(
                        pictures,
                        settings,
                        with_clips=with_clips,
                        cuts_s=find_cuts(pictures) if find_cuts is not None else None,
                        sound_path=sound,
                    )
                )
                for pictures, sound in _pairs(paths, settings or MediaSettings())
            ]
            self._stack = opening.pop_all()

    def __enter__(self) -> "FilmReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def scenes(self) -> Iterator[Scene]:
        """Scenes in order, contiguous from 0 to the end of the film.

        Raises:
            MediaError: If nothing can be decoded, the time limit passes, or the film was read before.
        """
        start_s, n_before = 0.0, 0
        for reader in self._readers:
            for scene in reader.scenes():
                yield _moved(scene, start_s, n_before) if n_before else scene
            facts = reader.facts()
            self._facts.append(facts)
            start_s += facts.decoded_duration_s
            n_before += facts.n_scenes

    def facts(self) -> MediaFacts:
        """Facts about the film.

        Raises:
            MediaError: If not all scenes have been read yet.
        """
        if len(self._facts) < len(self._readers):
            raise MediaError("Facts about a film are complete only after all its scenes have been read.")
        return _joined(self._facts)


def _pairs(paths: Sequence[Path], settings: MediaSettings) -> list[tuple[Path, Path | None]]:
    """Pairs of a picture file and its sound file, if there is one."""
    if len(paths) == 1:
        return [(paths[0], None)]
    showing = [has_pictures(path, limit_s=settings.time_limit_s) for path in paths]
    pictures = [path for path, shows in zip(paths, showing, strict=True) if shows]
    sounds = [path for path, shows in zip(paths, showing, strict=True) if not shows]
    if not sounds:
        return [(path, None) for path in pictures]
    if len(sounds) != len(pictures):
        raise MediaError(
            f"There must be one sound file for each picture file; of {', '.join(p.name for p in paths)}, "
            f"{len(sounds)} have only sound and {len(pictures)} have pictures. Give one sound "
            "file for each picture file, or none."
        )
    return list(zip(pictures, sounds, strict=True))


def _moved(scene: Scene, by_s: float, n_before: int) -> Scene:
    return replace(
        scene,
        index=scene.index + n_before,
        start_s=scene.start_s + by_s,
        end_s=scene.end_s + by_s,
        frame_times_s=scene.frame_times_s + by_s,
        flow_times_s=scene.flow_times_s + by_s,
        clip_times_s=scene.clip_times_s + by_s,
    )


def _joined(parts: Sequence[MediaFacts]) -> MediaFacts:
    """Facts of the first part, with the durations and counts of all parts."""
    if len(parts) == 1:
        return parts[0]
    announced_s = [part.announced_duration_s for part in parts]
    raised = {flag for part in parts for flag in part.flags}
    return replace(
        parts[0],
        announced_duration_s=None if None in announced_s else sum(length or 0.0 for length in announced_s),
        decoded_duration_s=sum(part.decoded_duration_s for part in parts),
        n_frames_decoded=sum(part.n_frames_decoded for part in parts),
        n_bad_packets=sum(part.n_bad_packets for part in parts),
        n_scenes=sum(part.n_scenes for part in parts),
        audible_s=round(sum(part.audible_s for part in parts), 3),
        flags=tuple(flag for flag in FLAGS if flag in raised),
    )
