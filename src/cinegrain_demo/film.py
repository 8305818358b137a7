"""The picture track of a film: paints each shot, moves the camera over it, cuts, fades and grades."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from cinegrain.types import Float32, Float64, UInt8
from cinegrain_demo.camera import MOTION_STYLES, MotionStyle, Stage, view_matrix
from cinegrain_demo.cast import Element, cast_shot
from cinegrain_demo.look import Grader
from cinegrain_demo.plan import FilmPlan
from cinegrain_demo.plate import Plate
from cinegrain_demo.scenery import HOUR_CHANCES, PAINTERS

_PLATE_WIDTH, _PLATE_HEIGHT = 2.1, 1.3  # in pictures: room for the camera to move
_SHORTEST_SHOT = 0.55  # in mean shots
_FADE_S = 0.5
_PARALLAX = 1.6  # how much faster the front layer slides than the rest


@dataclass(frozen=True)
class _Cut:
    """One shot: frames [first, last), and whether it comes out of black and goes into black."""

    first: int
    last: int
    fade_in: bool
    fade_out: bool


def film_frames(plan: FilmPlan) -> Iterator[UInt8]:
    """Every frame of the film in order, uint8 RGB of the stored size."""
    cutting, pictures, grading = (
        np.random.default_rng(child) for child in np.random.SeedSequence([plan.seed, 1]).spawn(3)
    )
    style = MOTION_STYLES[plan.motion]
    aspect = plan.look.aspect
    stage = Stage(
        plate_width=round(aspect.picture_width * _PLATE_WIDTH),
        plate_height=round(aspect.picture_height * _PLATE_HEIGHT),
        width=aspect.picture_width,
        height=aspect.picture_height,
    )
    hours = HOUR_CHANCES[plan.setting]
    hour = str(pictures.choice(list(hours), p=list(hours.values())))
    grader = Grader(plan.look, grading)
    for cut in _plan_cuts(cutting, style, plan.look.n_frames):
        plate = PAINTERS[plan.setting](pictures, stage.plate_height, stage.plate_width, hour)
        times_s = np.arange(cut.last - cut.first) / float(plan.look.frame_rate)
        path = style.path(pictures, times_s, stage)
        length_s = len(times_s) / float(plan.look.frame_rate)
        elements = cast_shot(pictures, plan.setting, plan.motion, plate, stage, path, length_s)
        levels = _fade_levels(cut, times_s, length_s)
        for picture, level in zip(_shoot(plate, elements, path, times_s, stage), levels, strict=True):
            shown = picture if level >= 1 else cv2.convertScaleAbs(picture, alpha=float(level))
            yield grader.finish(shown)


def _plan_cuts(rng: np.random.Generator, style: MotionStyle, n_frames: int) -> list[_Cut]:
    n_shots = int(rng.integers(style.fewest_shots, style.most_shots + 1))
    shares = rng.dirichlet(np.full(n_shots, 3.0))
    lengths = (_SHORTEST_SHOT + (1 - _SHORTEST_SHOT) * n_shots * shares) / n_shots
    edges = np.round(np.concatenate([[0], np.cumsum(lengths)]) * n_frames).astype(int)
    fades = [*(bool(f) for f in rng.random(n_shots) < style.fade_chance), False]
    return [_Cut(int(edges[i]), int(edges[i + 1]), fades[i], fades[i + 1]) for i in range(n_shots)]


def _fade_levels(cut: _Cut, times_s: Float64, length_s: float) -> Float64:
    """Brightness of each frame of a shot, 0..1."""
    levels = np.ones(len(times_s))
    if cut.fade_in:
        levels = np.minimum(levels, times_s / _FADE_S)
    if cut.fade_out:
        levels = np.minimum(levels, (length_s - times_s) / _FADE_S)
    return np.clip(levels, 0, 1)


def _shoot(plate: Plate, elements: list[Element], path: Float64, times_s: Float64, stage: Stage) -> Iterator[UInt8]:
    """Every ungraded picture of one shot."""
    size = (stage.width, stage.height)
    steps = np.abs(np.diff(path[:, 0], prepend=path[0, 0])) * path[:, 2]
    for pose, time_s, step in zip(path, times_s, steps, strict=True):
        view = view_matrix(pose, stage)
        picture: UInt8 = cv2.warpAffine(plate.back, view, size, borderMode=cv2.BORDER_REFLECT_101)
        if plate.water_y is not None:
            _ripple(picture, view, plate.water_y, float(time_s))
        streak = min(41, int(step * 0.6))
        if streak >= 3:
            picture = cv2.blur(picture, (streak, 1))
        for element in elements:
            element.draw(picture, float(time_s), view)
        if plate.front is not None:
            closer = pose.copy()
            closer[0] += (_PARALLAX - 1) * (pose[0] - stage.plate_width / 2)
            near = view_matrix(closer, stage)
            clear = cv2.warpAffine(plate.front.clear, near, size, borderMode=cv2.BORDER_REFLECT_101)
            colour = cv2.warpAffine(plate.front.colour, near, size, borderMode=cv2.BORDER_REFLECT_101)
            if streak >= 3:
                clear, colour = cv2.blur(clear, (streak, 1)), cv2.blur(colour, (streak, 1))
            picture = cv2.add(cv2.multiply(picture, clear, scale=1 / 255), colour)
        yield picture


def _ripple(picture: UInt8, view: Float64, water_y: float, time_s: float) -> None:
    """Move the water below plate row `water_y`, in place: short slow waves far away, long ones close by."""
    height, width = picture.shape[:2]
    zoom = float(np.hypot(view[0, 0], view[1, 0]))
    line = int(view[1, 1] * water_y + view[1, 2])
    first = max(0, line)
    if first >= height - 2:
        return
    depth = (np.arange(first, height, dtype=np.float32) - line + 1) / (height * zoom)
    swell = np.sin(26 * np.log(depth + 0.05) + 2.4 * time_s) * (0.4 + 9 * depth) * zoom
    sway = np.sin(43 * np.log(depth + 0.05) - 1.7 * time_s) * (0.4 + 5 * depth) * zoom
    columns = np.arange(width, dtype=np.float32)
    bend = np.sin(columns * 0.045 + 0.9 * time_s)
    map_x: Float32 = columns[None] + sway[:, None]
    map_y: Float32 = np.arange(height - first, dtype=np.float32)[:, None] + swell[:, None] * (0.6 + 0.4 * bend[None])
    water = picture[first:]
    water[:] = cv2.remap(
        water, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
