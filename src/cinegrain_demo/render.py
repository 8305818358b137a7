"""Writes one film to disk: frames and sound through H.264 and AAC into an MP4 that appears only when whole."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from cinegrain.types import Float32
from cinegrain_demo.film import film_frames
from cinegrain_demo.plan import FilmPlan
from cinegrain_demo.sound import SAMPLE_RATE_HZ, film_sound

PART_SUFFIX = ".part"

_X264 = {"preset": "superfast", "crf": "28", "maxrate": "420k", "bufsize": "840k", "threads": "1"}
_AAC_BITS_PER_S = 64_000
_AAC_FRAME = 1024
_LENGTH_TOLERANCE_S = 0.25


def render_film(plan: FilmPlan, path: Path) -> None:
    """Render one film to `path`; until it is whole it has another name, so an interruption leaves no half film."""
    part = path.with_name(f".{path.name}.{os.getpid()}{PART_SUFFIX}")
    try:
        _write(plan, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_whole(plan: FilmPlan, path: Path) -> bool:
    """Whether `path` holds a film with the streams and the length of the plan.

    The index of an MP4 stands at its end here, so a truncated file cannot be opened at all.
    """
    if not path.is_file():
        return False
    try:
        with av.open(str(path)) as container:
            video, audio = len(container.streams.video), len(container.streams.audio)
            length_s = (container.duration or 0) / av.time_base
    except (av.FFmpegError, OSError):
        return False
    return video == 1 and audio == 1 and abs(length_s - plan.look.duration_s) < _LENGTH_TOLERANCE_S


def _write(plan: FilmPlan, path: Path) -> None:
    look = plan.look
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=look.frame_rate, options=_X264)
        video.width, video.height, video.pix_fmt = look.aspect.width, look.aspect.height, "yuv420p"
        video.codec_context.thread_count = 1
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono", options={"aac_coder": "fast"})
        audio.bit_rate = _AAC_BITS_PER_S
        sound = _audio_frames(film_sound(plan))
        for number, picture in enumerate(film_frames(plan)):
            planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, 1 / look.frame_rate
            container.mux(video.encode(frame))
            until_s = (number + 1) / look.frame_rate
            for chunk in sound:
                container.mux(audio.encode(chunk))
                if Fraction((chunk.pts or 0) + _AAC_FRAME, SAMPLE_RATE_HZ) >= until_s:
                    break
        for chunk in sound:
            container.mux(audio.encode(chunk))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _audio_frames(samples: Float32) -> Iterator[av.AudioFrame]:
    for start in range(0, len(samples), _AAC_FRAME):
        chunk = np.ascontiguousarray(samples[None, start : start + _AAC_FRAME])
        frame = av.AudioFrame.from_ndarray(chunk, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, start, Fraction(1, SAMPLE_RATE_HZ)
        yield frame
