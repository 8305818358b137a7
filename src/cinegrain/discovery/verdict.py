"""Verdicts on sub-genres."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cinegrain.discovery.confounders import Confounder
from cinegrain.discovery.structure import GenreStructure, said_of

STABLE = 0.75
_SMALL = 5
_WHOLE_GENRE = 0.5

Kind: TypeAlias = Literal["stable", "loose", "artefact", "cut", "small"]
_MORE = {
    "year": ("newer", "older"),
    "length": ("longer", "shorter"),
    "loudness": ("louder", "quieter"),
    "brightness": ("brighter", "darker"),
    "aspect": ("wider", "narrower"),
}


@dataclass(frozen=True)
class Verdict:
    """`stable`, `loose`, `artefact` of a confounder, `cut` through a genre without structure, or too `small` to judge.

    Attributes:
        kind: One of these.
        said: The verdict in a sentence.
        nuisances: Tested confounders, best separation first.
    """

    kind: Kind
    said: str
    nuisances: tuple[Confounder, ...] = ()


def judge(
    *,
    size: int,
    seeds: float,
    subsamples: float,
    nuisances: Sequence[Confounder],
    genre: str,
    overlap: float,
    structure: GenreStructure | None,
) -> Verdict:
    """The verdict on a sub-genre; the most serious doubt decides.

    Args:
        size: Number of films.
        seeds: Stability over other seeds, 0..1.
        subsamples: Stability over searches with 80 % of the films, 0..1.
        nuisances: Tested confounders.
        genre: Its main genre, or "".
        overlap: Jaccard overlap with all films of that genre; from 0.5 on, the sub-genre counts as the genre itself.
        structure: Test of structure inside that genre, or None.

    Source: Hennig 2007 for 0.75 as the minimum of a stable cluster.
    """
    tested = tuple(nuisances)
    rest = f"the rest of {genre}" if genre else "all other films"
    if size < _SMALL:
        return Verdict("small", f"Too small to judge: fewer than {_SMALL} films.", tested)
    explaining = [confounder for confounder in tested if confounder.explains]
    if explaining:
        names = " and ".join(confounder.name for confounder in explaining[:2])
        return Verdict("artefact", f"May be an artefact of {names}: {_told(explaining[0], rest)}.", tested)
    back = f"{seeds:.2f} with other seeds, {subsamples:.2f} with 80 % of the films (1 is always the same films)"
    if min(seeds, subsamples) < STABLE:
        return Verdict("loose", f"Loose: only partly recovered, {back}.", tested)
    if structure is not None and structure.finer is False and overlap < _WHOLE_GENRE:
        return Verdict("cut", f"May be no more than a cut through {genre}. {said_of(structure)}", tested)
    return Verdict("stable", f"Stable: recovered, {back}.", tested)


def _told(confounder: Confounder, rest: str) -> str:
    if confounder.higher is None:
        return f"{confounder.name} “{confounder.value}” tells its films from {rest} in {_of_100(confounder.auc)} pairs"
    more = _MORE.get(confounder.name, (f"of higher {confounder.name}", f"of lower {confounder.name}"))
    compared = more[0 if confounder.higher else 1]
    return f"a film of it is {compared} than one of {rest} in {_of_100(confounder.auc)} pairs"


def _of_100(auc: float) -> str:
    return f"{min(round(100 * auc), 100)} of 100"
