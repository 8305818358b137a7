"""Cards of sub-genres, and what discovery found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cinegrain.atlas.edits import same_name, subgenre_id
from cinegrain.discovery.choose_k import KPoint
from cinegrain.discovery.clustering import Clustering, unit_rows
from cinegrain.discovery.stability import Stability
from cinegrain.discovery.structure import GenreStructure
from cinegrain.discovery.verdict import Verdict
from cinegrain.naming.terms import Term, TermCounts, distinctive_terms, label_words
from cinegrain.results import ByModality, by_modality
from cinegrain.runs.provenance import Provenance
from cinegrain.types import Bool, Float64

_PARENT_SHARE, _PAIR_SHARE = 0.5, 0.35
N_KEYWORDS = 3
N_EXEMPLARS = 5


@dataclass(frozen=True)
class Parent:
    """A genre of a sub-genre's films, and the fraction of them that have it."""

    genre: str
    share: float


@dataclass(frozen=True)
class FinerGroup:
    """A part of a sub-genre.

    Attributes:
        id: Id of the sub-genre and a number: `S03.1`.
        keywords: Terms that distinguish it from the other parts.
        size: Number of films.
        exemplars: The films nearest to its centre.
        members: All films, nearest first.
        stability: Mean best Jaccard overlap over searches with 80 % of the sub-genre's films.
    """

    id: str
    keywords: tuple[str, ...]
    size: int
    exemplars: tuple[str, ...]
    members: tuple[str, ...]
    stability: float


@dataclass(frozen=True)
class SubGenre:
    """A named cluster.

    Attributes:
        id: Short id, kept through later discoveries and never used again.
        name: Parent genre and distinctive terms.
        keywords: Three terms with different meanings.
        terms: All distinctive terms, best first.
        size: Number of members.
        parents: Genres of the members, most frequent first.
        exemplars: The members nearest to the centre.
        members: All members, nearest first.
        by_modality: Contribution of each modality to what distinguishes it; sums to 1.
        cohesion: Mean cosine similarity of members to the centre.
        stability: Mean over other seeds of the best Jaccard overlap with one of their clusters, 0..1; None for films
            that people put together.
        stability_subsamples: The same over searches with 80 % of the films.
        verdict: How far to trust it; None for films that people put together.
        finer: Its parts, largest first; usually none.
    """

    id: str
    name: str
    keywords: tuple[str, ...]
    terms: tuple[Term, ...]
    size: int
    parents: tuple[Parent, ...]
    exemplars: tuple[str, ...]
    members: tuple[str, ...]
    by_modality: ByModality
    cohesion: float
    stability: float | None
    stability_subsamples: float | None
    verdict: Verdict | None = None
    finer: tuple[FinerGroup, ...] = ()


@dataclass(frozen=True)
class Card(SubGenre):
    """A sub-genre after edits.

    Attributes:
        edited: Whether its name or films were edited.
        locked: Whether it is locked.
        former: Earlier names.
        arrived: Number of films added after discovery.
    """

    edited: bool = False
    locked: bool = False
    former: tuple[str, ...] = ()
    arrived: int = 0


@dataclass(frozen=True)
class StabilityFigures:
    """Adjusted Rand index with searches with other seeds, and with 80 % of the films."""

    seeds_ari: float | None
    subsamples_ari: float | None


@dataclass(frozen=True)
class StructureOfGenre(GenreStructure):
    """A test of finer structure in one genre, and its result in a sentence."""

    said: str = ""


@dataclass(frozen=True)
class Structure:
    """Whether there is finer structure than genres: as a sentence, overall, and by genre."""

    said: str
    finds: bool
    genres: tuple[StructureOfGenre, ...]


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """Content of atlas.json.

    Attributes:
        key: Hash of all inputs.
        k: Number of sub-genres.
        criterion: How the number was chosen.
        curve: Figures for each number tried.
        stability: Agreement of repeated searches.
        structure: Whether there is finer structure than genres.
        tested_as_causes: Variables tested as confounders.
        genres: Learned genres.
        modes: Modality of each expert.
        subgenres: Largest first.
        provenance: Seed and versions.
    """

    key: str
    k: int
    criterion: str
    curve: tuple[KPoint, ...]
    stability: StabilityFigures
    structure: Structure
    tested_as_causes: tuple[str, ...] = ()
    genres: tuple[str, ...]
    modes: tuple[str, ...]
    subgenres: tuple[SubGenre, ...]
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class Atlas:
    """All sub-genres, largest first; row i of the clustering's centroids belongs to entry i."""

    subgenres: tuple[SubGenre, ...]
    clustering: Clustering
    stability: Stability


@dataclass(frozen=True, eq=False)
class Films:
    """Films that sub-genres are described by.

    Attributes:
        encoded: Trailer embeddings by expert, shape (n, e, d).
        trailer_ids: Length n.
        genres: Names, length g.
        labels: Shape (n, g).
        modes: Modality of each expert, length e.
        terms: Term counts of the n trailers.
    """

    encoded: Float64
    trailer_ids: tuple[str, ...]
    genres: tuple[str, ...]
    labels: Bool
    modes: tuple[str, ...]
    terms: TermCounts

    @cached_property
    def points(self) -> Float64:
        """Unit rows, shape (n, e * d)."""
        return unit_rows(self.encoded)


def build_atlas(films: Films, clustering: Clustering, *, stability: Stability, ids: Sequence[str] = ()) -> Atlas:
    """Names and describes clusters.

    Args:
        films: All n films.
        clustering: Of their embeddings.
        stability: Stability of its clusters.
        ids: Ids of the clusters, length k; S01, S02 and so on by default.
    """
    found: list[SubGenre] = []
    for cluster, centre in enumerate(clustering.centroids):
        inside = clustering.labels == cluster
        card = describe(films, inside, centre, id=ids[cluster] if ids else subgenre_id(cluster + 1))
        name = unique_name(card.parents, card.terms, {name_key(s.name) for s in found})
        seeds, subsamples = float(stability.seeds[cluster]), float(stability.subsamples[cluster])
        found.append(replace(card, name=name, stability=seeds, stability_subsamples=subsamples))
    return Atlas(tuple(found), clustering, stability)


def describe(films: Films, inside: Bool, centre: Float64, *, id: str) -> SubGenre:  # noqa: A002 (as the field)
    """A card for a group of films, without name and stability.

    Args:
        films: All n films.
        inside: The group, shape (n,); at least one.
        centre: Unit vector, shape (e * d,).
        id: Id.
    """
    similarity = films.points @ centre
    members = np.flatnonzero(inside)[np.argsort(-similarity[inside], kind="stable")]
    parents = _parents(films.labels[inside], films.genres)
    others = background(inside, films.labels, films.genres, parents)
    words = distinctive_terms(films.terms, inside, others)
    return SubGenre(
        id=id,
        name="",
        keywords=label_words(words, N_KEYWORDS, genre=main_genre(parents)),
        terms=words,
        size=len(members),
        parents=parents,
        exemplars=tuple(films.trailer_ids[i] for i in members[:N_EXEMPLARS]),
        members=tuple(films.trailer_ids[i] for i in members),
        by_modality=_mode_shares(films.points.reshape(films.encoded.shape), centre, inside, films.modes),
        cohesion=float(similarity[inside].mean()),
        stability=None,
        stability_subsamples=None,
    )


def _parents(labels: Bool, genres: Sequence[str]) -> tuple[Parent, ...]:
    shares = labels.mean(axis=0)
    order = np.argsort(-shares, kind="stable")
    return tuple(Parent(genres[j], float(shares[j])) for j in order if shares[j] > 0)


def background(inside: Bool, labels: Bool, genres: Sequence[str], parents: Sequence[Parent]) -> Bool:
    """The rest of the main genre, or all other films if that is too small."""
    if parents:
        rest = labels[:, list(genres).index(parents[0].genre)] & ~inside
        if rest.sum() >= 3:
            return np.asarray(rest)
    return ~inside


def _mode_shares(blocks: Float64, centre: Float64, inside: Bool, modes: Sequence[str]) -> dict[str, float]:
    """By modality, how much closer members are to the centre than other films, as fractions."""
    similarity = np.einsum("ned,ed->ne", blocks, centre.reshape(blocks.shape[1:]))
    gap = similarity[inside].mean(axis=0) - (similarity[~inside].mean(axis=0) if (~inside).any() else 0.0)
    gap = np.maximum(gap, 0.0)
    total = float(gap.sum())
    shares = gap / total if total > 0 else np.full(len(modes), 1 / len(modes))
    return by_modality(modes, shares.tolist())


def unique_name(parents: Sequence[Parent], terms: Sequence[Term], taken: Collection[str]) -> str:
    """A name such as `Horror: wind, candle, static camera`, with other or more terms until it is unique.

    Args:
        parents: Parent genres.
        terms: Distinctive terms.
        taken: `name_key` of other names.
    """
    parent = main_genre(parents)
    words = label_words(terms, len(terms), genre=parent)
    tries = [words[:3], *((*words[:2], word) for word in words[3:]), *(words[:n] for n in range(4, len(words) + 1))]
    names = [f"{parent}: {', '.join(some)}" if some else parent for some in tries]
    number = 1
    while True:
        for name in names:
            name = f"{name} ({number})" if number > 1 else name
            if name_key(name) not in taken:
                return name
        names, number = names[:1], number + 1


def main_genre(parents: Sequence[Parent]) -> str:
    """The genre of at least half of the films, else two frequent ones, else `Mixed`."""
    if parents and parents[0].share >= _PARENT_SHARE:
        return parents[0].genre
    many = [parent.genre for parent in parents[:2] if parent.share >= _PAIR_SHARE]
    return " & ".join(many) if len(many) == 2 else "Mixed"


def name_key(name: str) -> str:
    """Key that is equal for names that read the same, including the same terms in another order.

    >>> name_key("War: gunfire, desert") == name_key("war: Desert, gunfire")
    True
    """
    first, colon, words = same_name(name).partition(": ")
    return first + colon + ", ".join(sorted(words.split(", ")))
