"""Statistics of dense optical flow: pace, camera and activity (a substitute; it does not name actions)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from cinegrain.experts.base import N_CONCEPTS, ExpertCard, Family, Network
from cinegrain.experts.runtime import Runtime
from cinegrain.types import FLOW_HEIGHT, FLOW_WIDTH, Concept, Float32, Float64, Scene, SceneEmbedding, UInt8

_GRID_STEP = 4  # the camera fit looks at every fourth pixel both ways
_FIT_ROUNDS = 3
_CELLS = 3
_DIRECTIONS = 8
PAIR_FIELDS = (
    "magnitude",
    "pan_x",
    "pan_y",
    "pan",
    "zoom",
    "rotation",
    "residual",
    "residual_p95",
    "entropy",
    "light_change",
)
DIMENSION = 3 * len(PAIR_FIELDS) + _DIRECTIONS + _CELLS**2 + 4

CARD = ExpertCard(
    name="motion_flow",
    modality="motion",
    dimension=DIMENSION,
    needs="flow",
    description="Pace, camera movement and activity: statistics of dense optical flow (DIS) and cut rhythm.",
    concepts="10 plain descriptions computed from the flow, not learned",
    weights=(),
    licence="Apache-2.0 (OpenCV)",
    citation="Kroeger et al. 2016, Fast Optical Flow using Dense Inverse Search, arXiv:1603.03590",
    substitute_for="an action network trained on Kinetics",
)


class MotionFlow(Network):
    """Computes its vectors; nothing to download."""

    def __init__(self, cache: Path, runtime: Runtime) -> None:
        del cache
        cv2.setNumThreads(runtime.threads)
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """One vector a scene; None for a scene with fewer than two flow frames."""
        return {CARD.name: [self._embed(scene) for scene in scenes]}

    def _embed(self, scene: Scene) -> SceneEmbedding | None:
        if len(scene.flow_frames) < 2:
            return None
        pairs = zip(scene.flow_frames[:-1], scene.flow_frames[1:], strict=True)
        described = [self._describe_pair(a, b) for a, b in pairs]
        stats = np.array([pair for pair, _, _ in described])  # (t - 1, 10)
        directions = np.mean([d for _, d, _ in described], axis=0)
        cells = np.mean([c for _, _, c in described], axis=0)
        jerk = np.abs(np.diff(stats[:, 1:3], axis=0)).mean() if len(stats) > 1 else 0.0
        still = float((stats[:, 0] < 0.15).mean())
        reversals = float((np.diff(np.sign(stats[:, 1])) != 0).mean()) if len(stats) > 1 else 0.0
        vector = np.concatenate(
            [
                _squash(stats.mean(axis=0)),
                _squash(stats.std(axis=0)),
                _squash(np.percentile(stats, 90, axis=0)),
                directions,
                _squash(cells),
                [_squash(jerk), still, reversals, np.log(scene.duration_s)],
            ]
        )
        return SceneEmbedding(vector.astype(np.float32), _describe(stats, jerk, scene.duration_s))

    def _describe_pair(self, before: UInt8, after: UInt8) -> tuple[list[float], Float64, Float64]:
        """PAIR_FIELDS, direction histogram (8,) and residual by 3x3 cell (9,), all in flow pixels a step."""
        flow = self._dis.calc(before, after, None)
        fx, fy = flow[..., 0], flow[..., 1]
        magnitude, angle = cv2.cartToPolar(fx, fy)
        camera = fit_camera(flow)
        residual = np.linalg.norm(flow - _GRID_FULL @ camera, axis=2)
        histogram = np.bincount(
            (angle.ravel() * (_DIRECTIONS / (2 * np.pi))).astype(int) % _DIRECTIONS,
            weights=magnitude.ravel(),
            minlength=_DIRECTIONS,
        )
        histogram = histogram / (histogram.sum() + 1e-6)
        cells = residual.reshape(_CELLS, FLOW_HEIGHT // _CELLS, FLOW_WIDTH)[:, :, : FLOW_WIDTH // _CELLS * _CELLS]
        cells = cells.reshape(_CELLS, -1, _CELLS, FLOW_WIDTH // _CELLS).mean(axis=(1, 3))
        stats = [
            float(magnitude.mean()),
            float(camera[2, 0]),
            float(camera[2, 1]),
            float(np.hypot(*camera[2])),
            float((camera[0, 0] + camera[1, 1]) / 2 * FLOW_WIDTH / 2),
            float((camera[0, 1] - camera[1, 0]) / 2 * FLOW_WIDTH / 2),
            float(residual.mean()),
            float(np.percentile(residual[::2, ::2], 95)),
            float(-(histogram * np.log(histogram + 1e-9)).sum()),
            abs(float(after.mean()) - float(before.mean())) / 16,
        ]
        return stats, histogram, cells.ravel()


FAMILY = Family((CARD,), MotionFlow)


def _grid() -> Float32:
    y, x = np.mgrid[0:FLOW_HEIGHT, 0:FLOW_WIDTH].astype(np.float32)
    return np.stack([x - FLOW_WIDTH / 2, y - FLOW_HEIGHT / 2, np.ones_like(x)], axis=2)


_GRID_FULL = _grid()
_GRID_SPARSE = _GRID_FULL[::_GRID_STEP, ::_GRID_STEP].reshape(-1, 3).astype(np.float64)


def fit_camera(flow: Float32) -> Float32:
    """Affine motion of the camera, fitted so that moving things count little (weights 1 / (1 + residual)).

    Args:
        flow: Shape (90, 160, 2), pixels a step.

    Returns:
        Shape (3, 2): flow at (x, y) from the centre is [x, y, 1] @ result.
    """
    target = flow[::_GRID_STEP, ::_GRID_STEP].reshape(-1, 2).astype(np.float64)
    weight = np.ones(len(target))
    for _ in range(_FIT_ROUNDS):
        weighted = _GRID_SPARSE * weight[:, None]
        camera = np.linalg.solve(weighted.T @ _GRID_SPARSE, weighted.T @ target)
        weight = 1 / (1 + np.linalg.norm(target - _GRID_SPARSE @ camera, axis=1))
    return np.asarray(camera, dtype=np.float32)


def _squash(values: Float64 | float) -> Float64:
    """Signed log: flow has heavy tails."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _describe(stats: Float64, jerk: float, duration_s: float) -> tuple[Concept, ...]:
    """Plain words with scores 0..1 from the mean of PAIR_FIELDS."""
    magnitude, _, _, pan, zoom, rotation, residual, _, _, light = stats.mean(axis=0)
    spread = float(np.hypot(*stats[:, 1:3].mean(axis=0)))  # a shake cancels out, a pan does not

    def over(value: float, half: float) -> float:
        return float(value / (value + half)) if value > 0 else 0.0

    moving = over(magnitude, 0.5)
    scores = {
        "static camera": 1 - over(pan + abs(zoom), 0.3),
        "panning camera": over(spread, 1.0) * (1 - over(jerk, 2.0)),
        "shaking camera": over(jerk, 1.5),
        "pushing in": over(zoom, 1.0),
        "pulling back": over(-zoom, 1.0),
        "rolling camera": over(abs(rotation), 2.0),
        "busy action": over(residual, 1.5),
        "stillness": 1 - moving,
        "flashing light": over(light, 0.6),
        "quick cuts": over(1.5, duration_s),
    }
    ranked = sorted(scores.items(), key=lambda item: -item[1])[:N_CONCEPTS]
    return tuple(Concept(name, round(score, 4)) for name, score in ranked)
