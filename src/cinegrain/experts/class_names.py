"""Class names of published classifiers, in the order of their outputs."""

import ast
from pathlib import Path

from cinegrain.errors import WeightsError
from cinegrain.experts.weights import WeightFile, fetch

SYNSETS = WeightFile(
    "pypi:timm==1.0.31#timm/data/_info/imagenet_synsets.txt",
    "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15",
    10_000,
    "Apache-2.0",
)
LEMMAS = WeightFile(
    "pypi:timm==1.0.31#timm/data/_info/imagenet_synset_to_lemma.txt",
    "1b8babda187421a4bde0c9c5a197c36f6bdda962f7ca11ffb2813806cbb2178f",
    741_457,
    "Apache-2.0",
)
PLACES_CATEGORIES = WeightFile(
    "https://raw.githubusercontent.com/CSAILVision/places365/master/categories_places365.txt",
    "",
    20_000,
    "MIT",
)
TORCHVISION_META = WeightFile(
    "pypi:torchvision==0.21.0#torchvision/models/_meta.py",
    "7eaa5e401b1ff441186e602943c4342cac8cf7f505c238ab7882399b00dbc096",
    28_875,
    "BSD-3-Clause",
)
_N_PLACES, _N_ACTIONS = 365, 400
_ACTIONS_NAME = "_KINETICS400_CATEGORIES"


def imagenet_words(cache: Path) -> tuple[str, ...]:
    """The 1,000 ImageNet classes: first lemma of each synset."""
    lines = (line.split("\t") for line in fetch(LEMMAS, cache).read_text(encoding="utf-8").splitlines())
    by_synset = {synset: lemma.split(",")[0].strip() for synset, lemma in lines}
    return tuple(by_synset[synset] for synset in fetch(SYNSETS, cache).read_text(encoding="utf-8").split())


def places_words(cache: Path) -> tuple[str, ...]:
    """The 365 places, as `swimming pool (indoor)` for the line `/s/swimming_pool/indoor 325`.

    Raises:
        WeightsError: If the list cannot be downloaded or is not the expected one.
    """
    path = fetch(PLACES_CATEGORIES, cache)
    lines = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if [line[1:] for line in lines] != [[str(number)] for number in range(_N_PLACES)]:
        raise WeightsError(
            f"{path} is not the list of {_N_PLACES} places, with lines like '/a/airfield 0', numbered from 0 to "
            f"{_N_PLACES - 1}. Delete it and fetch {PLACES_CATEGORIES.source} again."
        )
    return tuple(_place(line[0]) for line in lines)


def _place(entry: str) -> str:
    _, _letter, name, *kind = entry.replace("_", " ").split("/")
    return f"{name} ({kind[0]})" if kind else name


def kinetics_words(cache: Path) -> tuple[str, ...]:
    """The 400 actions of Kinetics-400, as the library that publishes the networks lists them; its file is not run.

    Raises:
        WeightsError: If the list cannot be downloaded.
    """
    path = fetch(TORCHVISION_META, cache)
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and [ast.unparse(t) for t in statement.targets] == [_ACTIONS_NAME]:
            words = tuple(str(word) for word in ast.literal_eval(statement.value))
            if len(words) == _N_ACTIONS:
                return words
    raise WeightsError(f"{path} has no list of {_N_ACTIONS} actions. Delete it and fetch it again.")
