"""Pictures made ready as a published `preprocessor_config.json` asks: resized, cropped, scaled, standardised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from cinegrain.types import UInt8


@dataclass(frozen=True)
class PictureProcessor:
    """What happens to a picture before a network sees it.

    Attributes:
        size_px: (height, width) to resize to without keeping proportions, or the length of the short side; None
            leaves the size alone.
        resample: PIL's number of the filter.
        crop_px: (height, width) of the middle that is kept; None keeps all.
        scale: Each value 0..255 is multiplied by this,
        mean: then this is taken away, by channel,
        deviation: then it is divided by this, by channel.
    """

    size_px: tuple[int, int] | int | None
    resample: Image.Resampling
    crop_px: tuple[int, int] | None
    scale: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def prepare(self, frame: UInt8) -> UInt8:
        """Everything up to the cropping; what follows is part of the graph.

        Args:
            frame: RGB, shape (height, width, 3).
        """
        height, width = frame.shape[:2]
        if self.size_px is not None:
            if isinstance(self.size_px, int):
                short, long = sorted((height, width))
                other = int(self.size_px * long / short)
                height, width = (self.size_px, other) if height <= width else (other, self.size_px)
            else:
                height, width = self.size_px
            if (height, width) != frame.shape[:2]:
                frame = np.asarray(Image.fromarray(frame).resize((width, height), self.resample), np.uint8)
        if self.crop_px is not None:
            top, left = (height - self.crop_px[0]) // 2, (width - self.crop_px[1]) // 2
            frame = frame[top : top + self.crop_px[0], left : left + self.crop_px[1]]
        return frame


def read_processor(document: Mapping[str, Any], defaults: Mapping[str, Any], *, size_px: int) -> PictureProcessor:
    """The processor that a parsed `preprocessor_config.json` describes.

    Args:
        document: The file.
        defaults: What the network's published processor does where the file is silent.
        size_px: Side of the square that the network takes.

    Raises:
        ValueError: If the result is another square.
    """
    asked = {**defaults, **document}
    size = _size(asked["size"]) if asked.get("do_resize", True) else None
    crop = _size(asked["crop_size"]) if asked.get("do_center_crop", False) else None
    if isinstance(crop, int):
        crop = (crop, crop)
    square = crop or size
    if square != (size_px, size_px) or (isinstance(size, int) and size < size_px):
        raise ValueError(f"it makes pictures of size {square}, but the network takes {size_px} x {size_px}")
    standardise = asked.get("do_normalize", True)
    return PictureProcessor(
        size_px=size,
        resample=Image.Resampling(asked["resample"]),
        crop_px=crop,
        scale=float(asked["rescale_factor"]) if asked.get("do_rescale", True) else 1.0,
        mean=_by_channel(asked["image_mean"]) if standardise else (0.0, 0.0, 0.0),
        deviation=_by_channel(asked["image_std"]) if standardise else (1.0, 1.0, 1.0),
    )


def _size(value: Any) -> tuple[int, int] | int:
    """A size as old and new files write it: a number or {shortest_edge} or {height, width}."""
    if not isinstance(value, Mapping):
        return int(value)
    if "shortest_edge" in value:
        return int(value["shortest_edge"])
    return int(value["height"]), int(value["width"])


def _by_channel(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue
