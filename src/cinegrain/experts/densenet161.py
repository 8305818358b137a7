"""DenseNet-161, trained on Places365: what the place is."""

import re

from cinegrain.experts.base import ExpertCard
from cinegrain.experts.class_names import PLACES_CATEGORIES, places_words
from cinegrain.experts.picture_classifier import PictureModel
from cinegrain.experts.state_dict import TorchLayers
from cinegrain.experts.weights import WeightFile

_BLOCKS = (6, 12, 36, 24)
_GROWTH, _FIRST_WIDTH, _BOTTLENECK = 48, 96, 4
CHECKPOINT = WeightFile(
    "https://places2.csail.mit.edu/models_places365/densenet161_places365.pth.tar", "", 130_000_000, "CC BY 4.0"
)


def modern_name(name: str) -> str:
    """`...denselayer1.norm1.weight` for the old key `...denselayer1.norm.1.weight`, which the published file has."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name)


def build(layers: TorchLayers, x: str, n_classes: int) -> None:
    """From the standardised picture to the outputs; a layer sees all outputs of its block joined."""
    x = layers.conv(x, "features.conv0", (_FIRST_WIDTH, 3, 7, 7), norm="features.norm0", stride=2)
    x = layers.max_pool(layers.relu(x), kernel=3, stride=2, pad=1)
    width, inner = _FIRST_WIDTH, _BOTTLENECK * _GROWTH
    for block, n_layers in enumerate(_BLOCKS, start=1):
        for layer in range(1, n_layers + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            new = layers.norm_relu(x, f"{name}.norm1", width)
            new = layers.relu(layers.conv(new, f"{name}.conv1", (inner, width, 1, 1), norm=f"{name}.norm2"))
            new = layers.conv(new, f"{name}.conv2", (_GROWTH, inner, 3, 3), bias=False)
            x, width = layers.graph.add("Concat", x, new, axis=1), width + _GROWTH
        if block < len(_BLOCKS):
            name = f"features.transition{block}"
            x = layers.norm_relu(x, f"{name}.norm", width)
            x, width = layers.conv(x, f"{name}.conv", (width // 2, width, 1, 1), bias=False), width // 2
            x = layers.graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    layers.classify(layers.norm_relu(x, "features.norm5", width), "classifier", (n_classes, width))


LOCATION = PictureModel(
    ExpertCard(
        name="location_places365_densenet161",
        modality="location",
        dimension=2208,
        needs="frames",
        description="The kind of place: the features of DenseNet-161, trained on Places365.",
        concepts="365 places",
        weights=(CHECKPOINT, PLACES_CATEGORIES),
        licence="CC BY 4.0",
        citation="Zhou et al. 2017, Places: A 10 million Image Database for Scene Recognition, TPAMI; "
        "Huang et al. 2017, arXiv:1608.06993 (DenseNet)",
    ),
    network="Places365 DenseNet-161",
    checkpoint=CHECKPOINT,
    n_classes=365,
    words=places_words,
    build=build,
    rename=modern_name,
)
