"""The paper preset as feature extractors are plainly written: one pass over the film for each feature, eager PyTorch.

It is given the scenes and the sampling times for nothing, converts only the pictures it needs, and runs them through
the same networks with the same weights in batches. What it does not do: decode once, fold, compile or quantise.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import torch
from av.video import VideoFrame
from tests.experts import published

from cinegrain.experts import picture_classifier, resnet50, vggish, video_resnet
from cinegrain.media.clock import Deadline
from cinegrain.media.pictures import Geometry, Shrinker
from cinegrain.media.sound import SoundReader
from cinegrain.types import Float32, Scene

Weights = Mapping[str, published.Weights]
Eager = Callable[[published.Weights, torch.Tensor], list[torch.Tensor]]


def extract_plainly(
    film: Path, scenes: Sequence[Scene], weights: Weights, experts: Sequence[str]
) -> dict[str, Float32]:
    """One vector a scene and expert, shape (scenes, d); rows of scenes without the input are zero.

    Args:
        film: The video.
        scenes: Where to look; only their times are used.
        weights: State dict by expert.
        experts: Which of them.
    """
    found = {}
    for model, n_classes in ((resnet50.IMAGE, 1000), (resnet50.LOCATION, 365)):
        name = model.card.name
        if name not in experts:
            continue
        inputs = [
            picture_classifier.prepare(p) for p in frames_at(film, [s.frame_times_s for s in scenes], Shrinker.sample)
        ]
        features = run(published.resnet50(n_classes), weights[name], inputs, batch=8)
        found[name] = scene_means(features, [len(s.frame_times_s) for s in scenes])
    name = video_resnet.R2PLUS1D.card.name
    times = [clip for scene in scenes for clip in scene.clip_times_s]
    shown = list(frames_at(film, times, Shrinker.clip))
    clips = video_resnet.crop(np.stack(shown).reshape(len(times), -1, *shown[0].shape))
    features = run(published.r2plus1d_18, weights[name], list(clips), batch=2)
    found[name] = scene_means(features, [len(s.clips) for s in scenes])
    if vggish.CARD.name not in experts:
        return found
    sound = SoundReader(film, film_zero_s=0.0, deadline=Deadline(3600.0))
    heard = [sound.audible(sound.take(s.start_s, s.end_s)) for s in scenes]
    patches = [vggish.patches(h) if h is not None else np.zeros((0, 1, 96, 64), np.float32) for h in heard]
    name = vggish.CARD.name
    features = run(published.vggish, weights[name], list(np.concatenate(patches)), batch=16)
    found[name] = scene_means(features, [len(p) for p in patches])
    return found


def run(network: Eager, weights: published.Weights, inputs: Sequence[np.ndarray], batch: int) -> Float32:
    """Features of all inputs."""
    with torch.inference_mode():
        parts = [
            network(weights, torch.from_numpy(np.stack(inputs[i : i + batch])))[0].numpy()
            for i in range(0, len(inputs), batch)
        ]
    return np.concatenate(parts)


def scene_means(features: Float32, counts: Sequence[int]) -> Float32:
    """Means of consecutive groups."""
    groups = np.split(features, np.cumsum(counts)[:-1])
    return np.stack([g.mean(0) if len(g) else np.zeros(features.shape[1], np.float32) for g in groups])


def frames_at(
    film: Path, times_s: Sequence[np.ndarray], convert: Callable[[Shrinker, VideoFrame], np.ndarray]
) -> Iterator[np.ndarray]:
    """One pass over the film: the picture on screen at each time, in the order of the times as they are given."""
    wanted = np.concatenate(times_s)
    order = np.argsort(wanted, kind="stable")
    shown: dict[int, np.ndarray] = {}
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        decoded = container.decode(stream)
        first = next(decoded)
        shrinker = Shrinker(Geometry.of(first, stream), 256)
        zero_s = float(first.time or 0)
        at = 0

        def with_first() -> Iterator[VideoFrame | None]:
            yield first
            yield from decoded
            yield None

        for frame, following in pairwise(with_first()):
            assert frame is not None
            until_s = float(following.time or 0) - zero_s if following is not None else float("inf")
            picture = None
            while at < len(order) and wanted[order[at]] < until_s - 1e-6:
                picture = convert(shrinker, frame) if picture is None else picture
                shown[int(order[at])] = picture
                at += 1
    return iter([shown[i] for i in range(len(wanted))])
