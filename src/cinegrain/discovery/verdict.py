"""What to think of a sub-genre, in plain words."""

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
    """`stable`, `loose`, `artefact` of something else, `cut` through a genre without parts, or too `small` to tell.

    Attributes:
        kind: One of these.
        said: The same in a sentence.
        nuisances: What was tested as another cause, the most telling first.
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
    """The verdict on a sub-genre; the gravest doubt is the one that is told.

    Args:
        size: Number of films.
        seeds: Stability over other seeds, 0..1.
        subsamples: Stability over searches with 80 % of the films, 0..1.
        nuisances: Tested as other causes.
        genre: Its main genre; empty if there is none.
        overlap: Jaccard overlap with all films of that genre; from a half on, the sub-genre is as good as the genre.
        structure: What was found inside that genre; None if it was not looked for.

    Source: Hennig 2007 for 0.75, under which a cluster is not to be called stable.
    """
    tested = tuple(nuisances)
    rest = f"the rest of {genre}" if genre else "all other films"
    if size < _SMALL:
        return Verdict("small", f"Too small to judge: under {_SMALL} films.", tested)
    explaining = [confounder for confounder in tested if confounder.explains]
    if explaining:
        names = " and ".join(confounder.name for confounder in explaining[:2])
        return Verdict("artefact", f"May be an artefact of {names}: {_told(explaining[0], rest)}.", tested)
    back = f"{seeds:.2f} with other seeds, {subsamples:.2f} with four in five films (1: always the same films)"
    if min(seeds, subsamples) < STABLE:
        return Verdict("loose", f"Loose: it comes back only in part, {back}.", tested)
    if structure is not None and structure.finer is False and overlap < _WHOLE_GENRE:
        return Verdict("cut", f"May be no more than a cut through {genre}. {said_of(structure)}", tested)
    return Verdict("stable", f"Stable: it comes back, {back}.", tested)


def _told(confounder: Confounder, rest: str) -> str:
    if confounder.higher is None:
        return f"{confounder.name} “{confounder.value}” tells its films from {rest} in {_of_100(confounder.auc)} pairs"
    more = _MORE.get(confounder.name, (f"of higher {confounder.name}", f"of lower {confounder.name}"))
    compared = more[0 if confounder.higher else 1]
    return f"a film of it is {compared} than one of {rest} in {_of_100(confounder.auc)} pairs"


def _of_100(auc: float) -> str:
    return f"{min(round(100 * auc), 100)} of 100"
