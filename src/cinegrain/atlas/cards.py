"""The atlas: every sub-genre of a run with its card."""

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
    """A genre of a sub-genre's members and the share of members that have it."""

    genre: str
    share: float


@dataclass(frozen=True)
class FinerGroup:
    """A part of a sub-genre.

    Attributes:
        id: Of the sub-genre, and a number: `S03.1`.
        keywords: Words that set it apart from the other parts.
        size: Number of films.
        exemplars: The films nearest to its centre.
        members: All films, nearest first.
        stability: Mean best Jaccard overlap over searches that saw 80 % of the sub-genre's films.
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
        id: Short; the same sub-genre keeps it through later discoveries, and no other ever gets it.
        name: Parent genre and distinctive words.
        keywords: Three words for it, each saying something else.
        terms: All words that set it apart, best first.
        size: Number of members.
        parents: Genres of the members, most frequent first.
        exemplars: The members nearest to the centre.
        members: All members, nearest first.
        by_modality: Share of each modality in what sets it apart; adds up to 1.
        cohesion: Mean cosine similarity of members to the centre.
        stability: Mean over other seeds of the best Jaccard overlap with one of their clusters, 0..1; None for a
            group that people put together, which no search can find again.
        stability_subsamples: The same over searches that saw 80 % of the films.
        verdict: What to think of it; None for a group that people put together.
        finer: Parts that it falls into itself, biggest first; mostly none.
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
    """A sub-genre as people want it.

    Attributes:
        edited: Whether people changed its name or films.
        locked: Whether people keep it as it is.
        former: Names that it had.
        arrived: How many films came after discovery.
    """

    edited: bool = False
    locked: bool = False
    former: tuple[str, ...] = ()
    arrived: int = 0


@dataclass(frozen=True)
class StabilityFigures:
    """How alike (adjusted Rand index) searches with other seeds are, and searches of fewer films."""

    seeds_ari: float | None
    subsamples_ari: float | None


@dataclass(frozen=True)
class StructureOfGenre(GenreStructure):
    """The same, and what to think of it."""

    said: str = ""


@dataclass(frozen=True)
class Structure:
    """Whether there is finer structure than genres: in a sentence, at all, and genre by genre."""

    said: str
    finds: bool
    genres: tuple[StructureOfGenre, ...]


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """What atlas.json holds.

    Attributes:
        key: Of everything it was made from.
        k: Number of sub-genres.
        criterion: Why so many.
        curve: What was compared to choose the number.
        stability: How well the search comes back.
        structure: Whether there is finer structure than genres.
        tested_as_causes: Plain variables that might have made the sub-genres.
        genres: Those that were learned.
        modes: Modality of each expert.
        subgenres: Biggest first.
        provenance: How it was made.
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
    """All sub-genres, biggest first; row i of the clustering's centroids belongs to entry i."""

    subgenres: tuple[SubGenre, ...]
    clustering: Clustering
    stability: Stability


@dataclass(frozen=True, eq=False)
class Films:
    """What sub-genres are described by.

    Attributes:
        encoded: Gated vectors, shape (n, e, d).
        trailer_ids: Length n.
        genres: Names, length g.
        labels: Shape (n, g).
        modes: Modality of each expert, length e.
        terms: Words of the n trailers.
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
        stability: How well its clusters come back.
        ids: Of the clusters, length k; S01, S02 and so on if not given.
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
    """A card for any group of films, still without a name and with its stability not measured.

    Args:
        films: All n films.
        inside: The group, shape (n,); at least one.
        centre: Its centre, a unit vector of shape (e * d,).
        id: Its id.
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
    """The rest of the main parent genre, or all others where that is too small to compare with."""
    if parents:
        rest = labels[:, list(genres).index(parents[0].genre)] & ~inside
        if rest.sum() >= 3:
            return np.asarray(rest)
    return ~inside


def _mode_shares(blocks: Float64, centre: Float64, inside: Bool, modes: Sequence[str]) -> dict[str, float]:
    """How much nearer members are to the centre than others are, mode by mode, as shares."""
    similarity = np.einsum("ned,ed->ne", blocks, centre.reshape(blocks.shape[1:]))
    gap = similarity[inside].mean(axis=0) - (similarity[~inside].mean(axis=0) if (~inside).any() else 0.0)
    gap = np.maximum(gap, 0.0)
    total = float(gap.sum())
    shares = gap / total if total > 0 else np.full(len(modes), 1 / len(modes))
    return by_modality(modes, shares.tolist())


def unique_name(parents: Sequence[Parent], terms: Sequence[Term], taken: Collection[str]) -> str:
    """`Horror: wind, candle, static camera`; other and further words are tried until no other sub-genre has the name.

    Args:
        parents: Of the sub-genre.
        terms: Its words.
        taken: Names of others, as `name_key` gives them.
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
    """The genre that at least half of the films have; else two that many have; else `Mixed`."""
    if parents and parents[0].share >= _PARENT_SHARE:
        return parents[0].genre
    many = [parent.genre for parent in parents[:2] if parent.share >= _PAIR_SHARE]
    return " & ".join(many) if len(many) == 2 else "Mixed"


def name_key(name: str) -> str:
    """What two names share if a person would take them for one: also the same words in another order.

    >>> name_key("War: gunfire, desert") == name_key("war: Desert, gunfire")
    True
    """
    first, colon, words = same_name(name).partition(": ")
    return first + colon + ", ".join(sorted(words.split(", ")))
