"""Every number a user may turn in the media room, each with its default and its reason."""

import math
import re
from dataclasses import dataclass, field, fields

from cinegrain.errors import ConfigError

CUTS_BY_CHANGE, CUTS_BY_NETWORK = "change", "transnetv2"
AUTO = "auto"

_RANGES: dict[str, tuple[float, float]] = {
    "frame_fps": (0.01, 60.0),
    "frame_size_px": (16, 2048),
    "flow_fps": (0.1, 60.0),
    "clip_fps": (0.5, 60.0),
    "clip_period_s": (0.1, 600.0),
    "clip_limit": (1, 100),
    "min_scene_s": (0.0, 60.0),
    "max_scene_s": (1.0, 600.0),
    "cut_ratio": (1.0, 100.0),
    "cut_floor": (0.1, 255.0),
    "cut_neighbours": (1, 30),
    "cut_window_s": (0.0, 2.0),
    "fade_black_level": (0, 255),
    "silence_dbfs": (-200.0, 0.0),
    "time_limit_s": (0.001, 1e7),
}


@dataclass(frozen=True)
class MediaSettings:
    """How a video file is cut into scenes and what is sampled from each.

    Raises:
        ConfigError: If a value is of the wrong type or outside its range, if the cut detector is unknown, or if
            `min_scene_s` is more than half of `max_scene_s`.
    """

    frame_fps: float = field(default=1.0, metadata={"help": "Sampled colour pictures per second."})
    frame_size_px: int = field(default=256, metadata={"help": "Short side of sampled pictures, pixels."})
    flow_fps: float = field(default=8.0, metadata={"help": "Small grey pictures per second, for motion."})
    clip_fps: float = field(
        default=15.0, metadata={"help": "Pictures per second in the 16-picture clips that action networks take."}
    )
    clip_period_s: float = field(default=4.0, metadata={"help": "A clip begins this often in a scene, seconds."})
    clip_limit: int = field(default=4, metadata={"help": "No scene gives more clips than this."})
    min_scene_s: float = field(default=0.6, metadata={"help": "No scene is shorter than this, seconds."})
    max_scene_s: float = field(
        default=30.0, metadata={"help": "A longer stretch without a cut is split here, so memory is bounded."}
    )
    cut_detector: str = field(
        default=CUTS_BY_CHANGE,
        metadata={
            "help": f"Who finds cuts: `{CUTS_BY_CHANGE}` (of the picture; quick, hard cuts and fades through black) or "
            f"`{CUTS_BY_NETWORK}` (a network; also dissolves, half a CPU second for each second of film)."
        },
    )
    cut_ratio: float = field(
        default=1.7,
        metadata={"help": "A cut changes the picture this many times as much as the frames around it do."},
    )
    cut_floor: float = field(
        default=6.0,
        metadata={
            "help": "Change added to what the frames around a cut do, so that still films do not split "
            "at every flicker (Y, U and V together, 0..765)."
        },
    )
    cut_neighbours: int = field(
        default=2, metadata={"help": "Neighbouring frames compared with on each side of a cut."}
    )
    cut_window_s: float = field(
        default=0.25,
        metadata={"help": "A flash shorter than this is no cut; frames repeated within it are seen through."},
    )
    fade_black_level: int = field(
        default=24, metadata={"help": "A picture with no pixel brighter than this (0..255) counts as black."}
    )
    silence_dbfs: float = field(
        default=-80.0, metadata={"help": "Sound whose peak is under this counts as digital silence, dBFS."}
    )
    audio_track: str = field(
        default=AUTO,
        metadata={
            "help": f"Number of the sound track, from 1 as players count; `{AUTO}` takes the main one that holds sound."
        },
    )
    audio_language: str = field(
        default=AUTO,
        metadata={"help": f"Language of the sound track where there are several, such as `de` or `fra`; or `{AUTO}`."},
    )
    time_limit_s: float = field(
        default=1800.0, metadata={"help": "A trailer that takes longer than this to decode is given up."}
    )

    def __post_init__(self) -> None:
        if self.cut_detector not in (CUTS_BY_CHANGE, CUTS_BY_NETWORK):
            raise ConfigError(
                f"media.cut_detector should be {CUTS_BY_CHANGE} or {CUTS_BY_NETWORK}, but is {self.cut_detector!r}. "
                "Correct it in the settings."
            )
        if self.audio_track != AUTO and not re.fullmatch("[1-9][0-9]{0,3}", self.audio_track):
            raise ConfigError(
                f"media.audio_track should be a number from 1 or {AUTO}, but is {self.audio_track!r}. "
                "Correct it in the settings."
            )
        if self.audio_language != AUTO and not _is_language(self.audio_language):
            raise ConfigError(
                f"media.audio_language should be the code of a language, such as de or fra, or {AUTO}, but is "
                f"{self.audio_language!r}. Correct it in the settings."
            )
        for item in (item for item in fields(self) if item.name in _RANGES):
            value = getattr(self, item.name)
            low, high = _RANGES[item.name]
            whole = item.type is int
            right_type = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not right_type or not math.isfinite(value) or not low <= value <= high:
                kind = "a whole number" if whole else "a number"
                raise ConfigError(
                    f"media.{item.name} should be {kind} from {low:g} to {high:g}, but is {value!r}. "
                    "Correct it in the settings."
                )
        if self.min_scene_s > self.max_scene_s / 2:
            raise ConfigError(
                f"media.min_scene_s should be at most half of media.max_scene_s ({self.max_scene_s:g}), "
                f"but is {self.min_scene_s:g}. Lower it, or raise media.max_scene_s."
            )


def _is_language(code: str) -> bool:
    import langcodes  # 40 ms that only those pay who choose a language

    return langcodes.tag_is_valid(code)
