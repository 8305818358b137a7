"""Collects sampled pictures into scenes."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from cinegrain.media.pictures import Picture
from cinegrain.types import CLIP_FRAMES, UInt8

FIRST_SAMPLE_S = 0.3
CLIP_FPS, CLIP_PERIOD_S, CLIP_LIMIT = 15.0, 4.0, 4  # pictures of a clip
"""Time from a cut to the first colour picture, by which compression has recovered."""
_TIME_SLACK_S = 1e-6
MAX_REPEAT_S = 2.0
"""Maximum time over which one picture is sampled again, as over a gap in the file."""


@dataclass(eq=False)
class SceneParts:
    """Pictures of one scene [start_s, end_s): colour, grey and clips, with times in seconds."""

    start_s: float
    end_s: float
    frames: list[tuple[float, UInt8]] = field(default_factory=list)
    flow_frames: list[tuple[float, UInt8]] = field(default_factory=list)
    clips: list[list[tuple[float, UInt8]]] = field(default_factory=list)


class SceneBuilder:
    """Takes pictures and cuts in order of time, and gives contiguous scenes.

    A scene is complete once the next one has lasted `min_scene_s`: a shorter rest at the end of the film, or between a
    forced split and a cut, is merged into the scene before, which may then exceed `max_scene_s` by less than
    min_scene_s + max(min_scene_s, cut_delay_s).

    Args:
        frame_fps: Colour pictures per second, counted from the start of each scene.
        flow_fps: Grey pictures per second, at multiples of 1/flow_fps from the start of the film.
        min_scene_s: Cuts closer than this to the cut before are ignored.
        max_scene_s: Scenes are split after this.
        cut_delay_s: Maximum delay with which a cut is reported.
        clip_fps: Pictures per second in clips.
        clip_period_s: Interval between clips; the first starts at the scene's first colour picture.
        clip_limit: Maximum number of clips per scene; 0 for none.
    """

    def __init__(
        self,
        *,
        frame_fps: float,
        flow_fps: float,
        min_scene_s: float,
        max_scene_s: float,
        cut_delay_s: float,
        clip_fps: float = CLIP_FPS,
        clip_period_s: float = CLIP_PERIOD_S,
        clip_limit: int = 0,
    ) -> None:
        self._frame_fps = frame_fps
        self._flow_fps = flow_fps
        self._min_scene_s = min_scene_s
        self._max_scene_s = max_scene_s
        self._cut_delay_s = cut_delay_s
        self._clip_fps = clip_fps
        self._clip_period_s = clip_period_s
        self._clip_limit = clip_limit
        self._first_sample_s = min(FIRST_SAMPLE_S, min_scene_s / 2)
        self._now = SceneParts(0.0, 0.0)
        self._now_is_split_off = False
        self._spares: list[tuple[float, UInt8]] = []
        self._clear_from_s = 0.0
        self._n_due = 0
        self._n_flow = 0
        self._waiting: SceneParts | None = None
        self._ready: deque[SceneParts] = deque()

    def cut(self, time_s: float) -> None:
        """End the scene at `time_s`, which is before all further pictures; ignored if too early."""
        if time_s - self._now.start_s < self._min_scene_s:
            if not (self._now_is_split_off and self._waiting and time_s > self._now.start_s):
                return
            self._join_waiting()
        self._end_scene(time_s)
        self._now_is_split_off = False

    def show(self, picture: Picture, until_s: float) -> None:
        """Sample a picture shown over [picture.time_s, until_s)."""
        # The split waits for cut_delay_s, since a cut before it may still be reported.
        while until_s >= self._now.start_s + self._max_scene_s + self._cut_delay_s:
            split_s = self._now.start_s + self._max_scene_s
            self._sample(picture, min(split_s, until_s))
            self._end_scene(split_s)
            self._now_is_split_off = True
        self._sample(picture, until_s)
        if until_s - self._now.start_s >= self._min_scene_s + self._cut_delay_s:
            self._release_waiting()

    def finish(self, last: Picture, end_s: float) -> None:
        """End the film at `end_s`, with `last` shown until then."""
        if end_s - self._now.start_s < self._min_scene_s and self._waiting:
            self._join_waiting()
        if not (self._now.frames or self._spares):
            self._now.frames.append((max(last.time_s, self._now.start_s), last.rgb()))
        self._end_scene(end_s)
        self._release_waiting()

    def ready(self) -> Iterator[SceneParts]:
        """Complete scenes, each once."""
        while self._ready:
            yield self._ready.popleft()

    @property
    def _due_s(self) -> float:
        """Time of the next colour picture."""
        return self._now.start_s + self._first_sample_s + self._n_due / self._frame_fps

    def _sample(self, picture: Picture, until_s: float) -> None:
        repeat_end_s = picture.time_s + MAX_REPEAT_S
        # A sample due at the time of the next picture is that picture's, even if it comes slightly later.
        until_s -= _TIME_SLACK_S
        if until_s <= picture.time_s:
            return
        if picture.is_black:
            self._clear_from_s = until_s + self._first_sample_s
        while (flow_s := self._n_flow / self._flow_fps) < until_s:
            if flow_s < repeat_end_s:
                self._now.flow_frames.append((max(flow_s, picture.time_s, self._now.start_s), picture.small[0].copy()))
            self._n_flow += 1
        self._sample_clips(picture, until_s)
        while self._due_s < until_s:
            time_s = max(self._due_s, picture.time_s, self._clear_from_s)
            if picture.is_black or time_s >= until_s:
                # Remain due until the fade is over; a dark picture serves if the scene ends before.
                if not self._spares or not picture.is_black:
                    self._spares.append((max(self._due_s, picture.time_s), picture.rgb()))
                return
            if time_s < repeat_end_s or not self._now.frames:
                self._now.frames.append((time_s, picture.rgb()))
            while self._due_s <= time_s:
                self._n_due += 1

    def _sample_clips(self, picture: Picture, until_s: float) -> None:
        clips = self._now.clips
        while len(clips) < self._clip_limit and not picture.is_black:
            first_s = self._now.start_s + self._first_sample_s
            due_s = clips[-1][0][0] + self._clip_period_s if clips else first_s
            if due_s >= min(until_s, picture.time_s + MAX_REPEAT_S):
                break
            clips.append([(max(due_s, picture.time_s), picture.clip_rgb())])
        for clip in clips:
            while len(clip) < CLIP_FRAMES and (time_s := clip[0][0] + len(clip) / self._clip_fps) < until_s:
                clip.append((time_s, picture.clip_rgb()))

    def _end_scene(self, time_s: float) -> None:
        """End the scene at `time_s`; later grey pictures belong to the next, colour ones are sampled again."""
        ended, spares = self._now, self._spares
        self._release_waiting()
        self._now = SceneParts(time_s, time_s)
        self._now.flow_frames = [flow for flow in ended.flow_frames if flow[0] >= time_s]
        self._spares = []
        self._n_due = 0
        ended.end_s = time_s
        ended.flow_frames = [flow for flow in ended.flow_frames if flow[0] < time_s]
        ended.frames = [frame for frame in ended.frames if frame[0] < time_s]
        ended.clips = _whole_clips(ended.clips, time_s)
        if not ended.frames:
            ended.frames = [spare for spare in spares if spare[0] < time_s][-1:]
        self._waiting = ended

    def _join_waiting(self) -> None:
        """Merge into the scene before, which has not been given yet."""
        before, self._waiting = self._waiting, None
        assert before is not None
        self._now = SceneParts(
            before.start_s,
            before.start_s,
            before.frames + self._now.frames,
            before.flow_frames + self._now.flow_frames,
            before.clips + self._now.clips,
        )

    def _release_waiting(self) -> None:
        if self._waiting is not None:
            self._ready.append(self._waiting)
            self._waiting = None


def _whole_clips(clips: list[list[tuple[float, UInt8]]], end_s: float) -> list[list[tuple[float, UInt8]]]:
    """Clips of a finished scene; only the first may be short, and is padded with its last picture."""
    cut = [[part for part in clip if part[0] < end_s] for clip in clips]
    kept = [clip for number, clip in enumerate(cut) if len(clip) == CLIP_FRAMES or (clip and number == 0)]
    return [clip + [clip[-1]] * (CLIP_FRAMES - len(clip)) for clip in kept]
