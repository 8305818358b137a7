"""Checks cards and vectors of experts against their contract."""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from cinegrain.errors import ExpertError
from cinegrain.experts.base import ExpertCard, Family, Needs, Network
from cinegrain.types import MODALITIES, Scene, SceneEmbedding

_MOST = float(np.finfo(np.float16).max)


def family_fault(family: object, taken: Mapping[str, str]) -> str | None:
    """Why a registered family cannot be used, as a clause, or None.

    Args:
        family: The registered object.
        taken: Names of existing experts, with their packages.
    """
    if not isinstance(family, Family) or not all(isinstance(card, ExpertCard) for card in family.cards):
        return f"it registers a {type(family).__name__}; expected a cinegrain.experts.base.Family of ExpertCards"
    return next((fault for card in family.cards if (fault := _card_fault(card, taken))), None)


def _card_fault(card: ExpertCard, taken: Mapping[str, str]) -> str | None:
    if card.name in taken:
        return f"its expert {card.name} has the name of an expert of {taken[card.name]}"
    if card.modality not in MODALITIES:
        return f"its expert {card.name} is of modality {card.modality!r}; expected one of {', '.join(MODALITIES)}"
    if card.needs not in get_args(Needs):
        return f"its expert {card.name} needs {card.needs!r}; expected one of {', '.join(get_args(Needs))}"
    return None


class CheckedNetwork:
    """A network whose embeddings are checked against its cards."""

    def __init__(self, network: Network, cards: Sequence[ExpertCard], package: str) -> None:
        self._network, self._package = network, package
        self._dimension = {card.name: card.dimension for card in cards}

    def embed(self, scenes: Sequence[Scene]) -> Mapping[str, Sequence[SceneEmbedding | None]]:
        """Embeds scenes with the network.

        Raises:
            ExpertError: If the result does not match the cards.
        """
        found = self._network.embed(scenes)
        if set(found) != set(self._dimension):
            wanted = ", ".join(sorted(self._dimension))
            raise self._broken(wanted, f"embeddings of {', '.join(sorted(map(str, found))) or 'no expert'}")
        for name, column in found.items():
            if len(column) != len(scenes):
                raise self._broken(name, f"{len(column)} embeddings for {len(scenes)} scenes")
            for embedding in column:
                fault = None if embedding is None else _vector_fault(embedding.vector, self._dimension[name])
                if fault:
                    raise self._broken(name, fault)
        return found

    def _broken(self, expert: str, gave: str) -> ExpertError:
        return ExpertError(f"Expert {expert} of package {self._package!r} gave {gave}. Repair or update the package.")


def _vector_fault(vector: object, dimension: int) -> str | None:
    if not isinstance(vector, np.ndarray) or vector.dtype != np.float32:
        kind = vector.dtype if isinstance(vector, np.ndarray) else type(vector).__name__
        return f"a vector of type {kind}; expected float32"
    if vector.shape != (dimension,):
        return f"a vector of shape {vector.shape}; its card says ({dimension},)"
    if not np.isfinite(vector).all():
        return "a vector that is not finite"
    if np.abs(vector).max(initial=0) > _MOST:
        return f"the number {np.abs(vector).max():g}; datasets hold 16-bit floats, up to {_MOST:,.0f}"
    return None
