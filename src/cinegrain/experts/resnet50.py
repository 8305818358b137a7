"""ResNet-50, trained on ImageNet-1k (what is in the picture) and on Places365 (what the place is)."""

from cinegrain.experts.base import ExpertCard
from cinegrain.experts.class_names import LEMMAS, PLACES_CATEGORIES, SYNSETS, imagenet_words, places_words
from cinegrain.experts.picture_classifier import PictureModel
from cinegrain.experts.state_dict import TorchLayers
from cinegrain.experts.weights import WeightFile

_STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))  # blocks, inner width, stride of the first
_EXPANSION = 4

IMAGENET_CHECKPOINT = WeightFile(
    "https://download.pytorch.org/models/resnet50-0676ba61.pth", "0676ba61", 110_000_000, "BSD-3-Clause"
)
PLACES_CHECKPOINT = WeightFile(
    "https://places2.csail.mit.edu/models_places365/resnet50_places365.pth.tar", "", 110_000_000, "CC BY 4.0"
)


def build(layers: TorchLayers, x: str, n_classes: int) -> None:
    """From the standardised picture to the outputs; the stride sits in the 3x3 convolutions, as in both checkpoints."""
    x = layers.relu(layers.conv(x, "conv1", (64, 3, 7, 7), norm="bn1", stride=2))
    x = layers.max_pool(x, kernel=3, stride=2, pad=1)
    width = 64
    for stage, (n_blocks, inner, stage_stride) in enumerate(_STAGES, start=1):
        outer = inner * _EXPANSION
        for block in range(n_blocks):
            name, stride, before = f"layer{stage}.{block}", stage_stride if block == 0 else 1, x
            if block == 0:
                shortcut = f"{name}.downsample"
                before = layers.conv(x, f"{shortcut}.0", (outer, width, 1, 1), norm=f"{shortcut}.1", stride=stride)
            x = layers.relu(layers.conv(x, f"{name}.conv1", (inner, width, 1, 1), norm=f"{name}.bn1"))
            x = layers.relu(layers.conv(x, f"{name}.conv2", (inner, inner, 3, 3), norm=f"{name}.bn2", stride=stride))
            x = layers.conv(x, f"{name}.conv3", (outer, inner, 1, 1), norm=f"{name}.bn3")
            x = layers.relu(layers.graph.add("Add", x, before))
            width = outer
    layers.classify(x, "fc", (n_classes, width))


IMAGE = PictureModel(
    ExpertCard(
        name="image_resnet50",
        modality="image",
        dimension=2048,
        needs="frames",
        description="Objects and animals in the pictures: the features of ResNet-50, trained on ImageNet-1k.",
        concepts="1,000 ImageNet words",
        weights=(IMAGENET_CHECKPOINT, SYNSETS, LEMMAS),
        licence="BSD-3-Clause (torchvision); ImageNet's pictures are for research",
        citation="He et al. 2016, arXiv:1512.03385 (ResNet); weights IMAGENET1K_V1 by torchvision",
    ),
    network="ResNet-50",
    checkpoint=IMAGENET_CHECKPOINT,
    n_classes=1000,
    words=imagenet_words,
    build=build,
)
LOCATION = PictureModel(
    ExpertCard(
        name="location_places365_resnet50",
        modality="location",
        dimension=2048,
        needs="frames",
        description="The kind of place: the features of ResNet-50, trained on Places365.",
        concepts="365 places",
        weights=(PLACES_CHECKPOINT, PLACES_CATEGORIES),
        licence="CC BY 4.0",
        citation="Zhou et al. 2017, Places: A 10 million Image Database for Scene Recognition, TPAMI",
    ),
    network="Places365 ResNet-50",
    checkpoint=PLACES_CHECKPOINT,
    n_classes=365,
    words=places_words,
    build=build,
)
