"""Reads one video file as a stream of scenes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.frame import Frame
from av.video import VideoFrame, VideoStream

from cinegrain.errors import MediaError
from cinegrain.media.clock import Deadline, StreamClock
from cinegrain.media.cuts import CUT_WINDOW_S, CutDetector, KnownCuts, is_near_black
from cinegrain.media.decode import Tally, decode_pictures
from cinegrain.media.facts import FLAGS, MediaFacts
from cinegrain.media.filters import filtered
from cinegrain.media.layouts import SceneFitter
from cinegrain.media.pictures import Geometry, Picture, Shrinker
from cinegrain.media.probe import announced_duration_s, choose_picture_stream, open_media
from cinegrain.media.scenes import CLIP_LIMIT, SceneBuilder, SceneParts
from cinegrain.media.sound import SoundReader
from cinegrain.media.survey import Survey, survey_pictures
from cinegrain.media.tonemap import ToneMapper
from cinegrain.settings import MediaSettings
from cinegrain.types import (
    CLIP_FRAMES,
    CLIP_HEIGHT,
    CLIP_WIDTH,
    FLOW_HEIGHT,
    FLOW_WIDTH,
    SOUND_RATE_HZ,
    Scene,
    UInt8,
)

logger = logging.getLogger(__name__)
_Made = TypeVar("_Made")
_FALLBACK_FRAME_S = 1 / 25
_MISSING_S, _MISSING_SHARE = 0.5, 0.02
_UNEVEN_S = 1.0
_LONGEST_FRAME_S = 10.0  # a longer picture is a broken clock, unless the file is that long
_DOLBY_VISION_ONLY = ("dvh1", "dvhe", "dvav", "dva1", "dav1")
_FEWEST_OF_RATE, _MOST_FPS = 0.9, 480.0


class TrailerReader:
    """Reads one video file once and gives its scenes.

    Memory holds at most two scenes of samples and one decoded picture.

    Example:
        with TrailerReader(path) as reader:
            for scene in reader.scenes():
                ...
            facts = reader.facts()
    """

    def __init__(
        self,
        path: Path,
        settings: MediaSettings | None = None,
        *,
        with_clips: bool = False,
        cuts_s: Sequence[float] | None = None,
        sound_path: Path | None = None,
    ) -> None:
        """Open the file and choose its streams.

        Args:
            path: The video file.
            settings: Cutting and sampling.
            with_clips: Whether scenes have clips, which only some experts need.
            cuts_s: Start times of scenes, if known; otherwise `CutDetector` finds them.
            sound_path: File with the sound, if it is separate; both start together.

        Raises:
            MediaError: If there is no readable video at `path`.
        """
        self._path = Path(path)
        self._settings = settings or MediaSettings()
        self._with_clips = with_clips
        self._cuts_s = cuts_s
        self._sound_path = sound_path
        self._container: InputContainer = open_media(self._path, limit_s=self._settings.time_limit_s)
        try:
            self._stream: VideoStream = choose_picture_stream(self._container, self._path)
            self._announced_s = announced_duration_s(self._container, self._stream)
        except BaseException:
            self._container.close()
            raise
        self._video_codec = self._stream.codec_context.name
        self._tally = Tally()
        self._clock: StreamClock | None = None
        self._geometry: Geometry | None = None
        self._shrinker: Shrinker | None = None
        self._survey = Survey()
        self._tone_mapper: ToneMapper | None = None
        self._fitter: SceneFitter | None = None
        self._sound: SoundReader | None = None
        self._n_scenes = 0
        self._audible_s = 0.0
        self._pictures_end_s = 0.0
        self._last_end_s = 0.0  # of the last picture, as stated in the file
        self._started = False
        self._facts: MediaFacts | None = None

    def __enter__(self) -> "TrailerReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; scenes given so far remain valid."""
        self._container.close()
        if self._sound is not None:
            self._sound.close()

    def facts(self) -> MediaFacts:
        """Facts about the file.

        Raises:
            MediaError: If not all scenes have been read yet.
        """
        if self._facts is None:
            raise MediaError(f"Facts about {self._path} are complete only after all its scenes have been read.")
        return self._facts

    def scenes(self) -> Iterator[Scene]:
        """Scenes in order, contiguous from 0 to the end of the film; closes the file at the end.

        Raises:
            MediaError: If nothing can be decoded, the time limit passes, or the file was read before.
        """
        self._start()
        try:
            yield from self._read()
        finally:
            self.close()

    def tiny_pictures(self) -> Iterator[tuple[float, UInt8]]:
        """Every picture with its time, instead of the scenes; uint8 RGB, (TINY_HEIGHT, TINY_WIDTH, 3).

        The time limit applies to reading alone. Gives nothing if nothing can be decoded: `scenes` raises then.

        Raises:
            MediaError: If the time limit passes, or the file was read before.
        """
        self._start()
        deadline = Deadline(self._settings.time_limit_s)
        try:
            for picture in self._converted(deadline, self._make_tiny):
                with deadline.paused():
                    yield picture
        finally:
            self.close()

    def _start(self) -> None:
        if self._started:
            raise MediaError(f"{self._path} has been read already. Create a new TrailerReader to read it again.")
        self._started = True

    def _read(self) -> Iterator[Scene]:
        deadline = Deadline(self._settings.time_limit_s)
        builder, detector = self._make_builder(), self._make_detector()
        held: Picture | None = None
        for picture in self._converted(deadline, self._make_picture):
            for cut_s in detector.push(picture.time_s, picture.small, is_black=picture.is_black):
                builder.cut(cut_s)
            if held is not None:
                builder.show(held, picture.time_s)
            held = picture
            yield from self._finished(builder, deadline)
        if held is None or self._clock is None:
            raise MediaError(
                f"No picture in {self._path} could be decoded ({self._tally.n_bad_packets} bad packets). "
                "Copy or download the film again."
            )
        for cut_s in detector.flush():
            builder.cut(cut_s)
        self._pictures_end_s = end_s = self._end_of_pictures(self._clock)
        builder.show(held, end_s)
        # The last picture is shown while there is sound, scene by scene, in bounded memory.
        while (
            sound_end_s := self._opened_sound(deadline).end_s(end_s + self._settings.max_scene_s)
        ) > end_s + _UNEVEN_S:
            end_s = min(sound_end_s, end_s + self._settings.max_scene_s)
            builder.show(held, end_s)
            yield from self._finished(builder, deadline)
        builder.finish(held, end_s)
        yield from self._finished(builder, deadline)
        self._facts = self._make_facts(end_s)

    def _end_of_pictures(self, clock: StreamClock) -> float:
        """End of the last picture, which may be held for long only if the file is that long."""
        announced_s = self._announced_s or 0.0
        return self._last_end_s if clock.next_s < self._last_end_s <= announced_s + _MISSING_S else clock.next_s

    def _finished(self, builder: SceneBuilder, deadline: Deadline) -> Iterator[Scene]:
        for parts in builder.ready():
            scene = self._make_scene(parts, deadline)
            with deadline.paused():
                yield scene

    def _converted(
        self, deadline: Deadline, convert: Callable[[Shrinker, VideoFrame, float], _Made]
    ) -> Iterator[_Made]:
        """Decoded and converted pictures with ascending times.

        Pictures that go back in time or cannot be converted are left out.
        """
        rate = float(self._stream.average_rate or 0)
        usual_s = 1 / rate if rate >= 1 / _LONGEST_FRAME_S else _FALLBACK_FRAME_S
        tick_s = float(self._stream.time_base or 0)
        last_s = -1.0
        self._survey = survey_pictures(self._path, self._stream.index, deadline)
        decoded = decode_pictures(self._container, self._stream, self._tally, deadline)
        for frame in filtered(decoded, self._survey):
            stamp_s = _time_stamp_s(frame, tick_s)
            duration_s = (frame.duration or 0) * tick_s
            if not 0 < duration_s <= _LONGEST_FRAME_S:
                duration_s = usual_s
            if self._clock is None:
                start_s = (self._stream.start_time or 0) * tick_s
                self._clock = StreamClock(start_s if stamp_s is None else stamp_s)
            time_s = self._clock.place(stamp_s, duration_s)
            if time_s <= last_s:
                continue
            if self._shrinker is None:
                self._shrinker = self._make_shrinker(frame)
            try:
                made = convert(self._shrinker, frame, time_s)
            except (FFmpegError, ValueError) as error:
                logger.debug("picture at %.3f s cannot be converted: %s", time_s, error)
                self._tally.n_bad_packets += 1
                continue
            last_s = time_s
            self._last_end_s = time_s + (frame.duration or 0) * tick_s
            yield made

    def _make_shrinker(self, first: VideoFrame) -> Shrinker:
        survey, size_px = self._survey, self._settings.frame_size_px
        self._geometry = Geometry.of(first, self._stream)
        self._tone_mapper = ToneMapper.of(first)
        self._fitter = SceneFitter(survey, self._geometry, size_px)
        n_cropped_rows = survey.size[1] - survey.crop.height if survey.size and survey.crop else 0
        return Shrinker(self._geometry, size_px, tone_mapper=self._tone_mapper, n_cropped_rows=n_cropped_rows)

    @staticmethod
    def _make_tiny(shrinker: Shrinker, frame: VideoFrame, time_s: float) -> tuple[float, UInt8]:
        return time_s, shrinker.tiny(frame)

    def _make_picture(self, shrinker: Shrinker, frame: VideoFrame, time_s: float) -> Picture:
        small = shrinker.small(frame)
        is_black = is_near_black(small)
        return Picture(time_s, small, is_black, lambda: shrinker.sample(frame), lambda: shrinker.clip(frame))

    def _make_scene(self, parts: SceneParts, deadline: Deadline) -> Scene:
        assert self._shrinker is not None
        assert self._fitter is not None
        parts = self._fitter.fit(parts)
        samples = self._opened_sound(deadline).take(parts.start_s, parts.end_s)
        audible = self._opened_sound(deadline).audible(samples)
        self._audible_s += 0.0 if audible is None else len(audible) / SOUND_RATE_HZ
        shape = parts.frames[0][1].shape if parts.frames else self._shrinker.sample_shape
        scene = Scene(
            index=self._n_scenes,
            start_s=parts.start_s,
            end_s=parts.end_s,
            frames=np.array([rgb for _, rgb in parts.frames], np.uint8).reshape(-1, *shape),
            frame_times_s=np.array([time_s for time_s, _ in parts.frames], np.float64),
            flow_frames=np.array([grey for _, grey in parts.flow_frames], np.uint8).reshape(
                -1, FLOW_HEIGHT, FLOW_WIDTH
            ),
            flow_times_s=np.array([time_s for time_s, _ in parts.flow_frames], np.float64),
            sound=samples,
            clips=np.array([[rgb for _, rgb in clip] for clip in parts.clips], np.uint8).reshape(
                -1, CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH, 3
            ),
            clip_times_s=np.array([[time_s for time_s, _ in clip] for clip in parts.clips], np.float64).reshape(
                -1, CLIP_FRAMES
            ),
            audible=audible,
        )
        self._n_scenes += 1
        return scene

    def _opened_sound(self, deadline: Deadline) -> SoundReader:
        """The sound, opened with the first scene: only then is the film's start time known."""
        assert self._clock is not None
        if self._sound is None:
            apart = self._sound_path is not None
            self._sound = SoundReader(
                self._sound_path or self._path,
                film_zero_s=None if apart else self._clock.zero_s,
                deadline=deadline,
                picture_index=None if apart else self._stream.index,
                track=self._settings.audio_track,
                language=self._settings.audio_language,
            )
        return self._sound

    def _make_builder(self) -> SceneBuilder:
        settings = self._settings
        return SceneBuilder(
            frame_fps=settings.frame_fps,
            flow_fps=settings.flow_fps,
            min_scene_s=settings.min_scene_s,
            max_scene_s=settings.max_scene_s,
            cut_delay_s=CUT_WINDOW_S,
            clip_limit=CLIP_LIMIT if self._with_clips else 0,
        )

    def _make_detector(self) -> CutDetector | KnownCuts:
        if self._cuts_s is not None:
            return KnownCuts(self._cuts_s)
        return CutDetector()

    def _make_facts(self, end_s: float) -> MediaFacts:
        geometry, sound, clock = self._geometry, self._sound, self._clock
        assert geometry is not None
        assert sound is not None
        assert clock is not None
        crop = self._survey.crop
        transfer = self._tone_mapper.transfer if self._tone_mapper else None
        announced_s = self._announced_s
        n_bad = self._tally.n_bad_packets + sound.tally.n_bad_packets
        missing_s = (announced_s or 0.0) - self._pictures_end_s
        differs_s = abs(sound.end_s(end_s) - self._pictures_end_s)
        raised = {
            "no_audio": sound.codec is None,
            "unreadable_audio": sound.codec is not None and not sound.tally.n_frames,
            "silent_audio": sound.tally.n_frames > 0 and not sound.heard,
            "quiet_audio": sound.heard and not self._audible_s,
            "uneven_lengths": sound.tally.n_frames > 0 and differs_s > _UNEVEN_S,
            "damaged": n_bad > 0 or self._tally.n_concealed_frames > 0,
            "shorter_than_announced": missing_s > max(_MISSING_S, _MISSING_SHARE * (announced_s or 0.0)),
            "odd_rate": not _FEWEST_OF_RATE * float(self._stream.average_rate or 0) * self._pictures_end_s - 1
            <= self._tally.n_frames
            <= _MOST_FPS * self._pictures_end_s + 1,
            "dolby_vision": self._stream.codec_context.codec_tag in _DOLBY_VISION_ONLY and transfer is None,
            "clock_jump": clock.n_jumps + sound.n_jumps > 0,
        }
        return MediaFacts(
            announced_duration_s=announced_s,
            decoded_duration_s=end_s,
            width=geometry.width,
            height=geometry.height,
            video_codec=self._video_codec,
            audio_codec=sound.codec,
            audio_tracks=tuple(track.number for track in sound.chosen.tracks),
            n_audio_tracks=sound.chosen.n_tracks,
            audio_language=next((track.language for track in sound.chosen.tracks), None),
            audible_s=round(self._audible_s, 3),
            rotation_deg=geometry.rotation_deg,
            crop=(crop.left, crop.top, crop.width, crop.height) if crop else None,
            deinterlaced=self._survey.deinterlacing is not None,
            tone_mapped=transfer if transfer in ("pq", "hlg") else None,
            n_frames_decoded=self._tally.n_frames,
            n_bad_packets=n_bad,
            n_scenes=self._n_scenes,
            flags=tuple(flag for flag in FLAGS if raised[flag]),
        )


def _time_stamp_s(frame: Frame, tick_s: float) -> float | None:
    """Presentation time of a frame; in files without (AVI), its decoding time."""
    ticks = frame.pts if frame.pts is not None else frame.dts
    # Not frame.time: the last frames of a decoder have no time base.
    return ticks * tick_s if ticks is not None else None
