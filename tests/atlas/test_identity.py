"""Ids that stay through discoveries with other seeds, more films, and locks."""

import numpy as np
import pytest

from cinegrain.atlas.identity import NOTHING_KNOWN, Known, carry_over
from cinegrain.discovery.clustering import Clustering, unit_means
from cinegrain.discovery.kmeans import spherical_kmeans
from cinegrain.types import Float64, Int64


def planted(n: int = 120, k: int = 6, noise: float = 0.5) -> tuple[Float64, Int64, list[str]]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(k, 16))
    truth = np.arange(n) % k
    points = centres[truth] + noise * rng.normal(size=(n, 16))
    return points / np.linalg.norm(points, axis=1, keepdims=True), truth, [f"t{i}" for i in range(n)]


def members(clustering: Clustering, ids: tuple[str, ...], names: list[str]) -> dict[str, tuple[str, ...]]:
    return {id_: tuple(names[i] for i in np.flatnonzero(clustering.labels == c)) for c, id_ in enumerate(ids)}


def known_from(found: dict[str, tuple[str, ...]], **changes: object) -> Known:
    given = {"highest": len(found), "found": found, "wanted": found, "locked": {}, "part_of": {}, "offspring": {}}
    return Known(**{**given, "centres": {}, **changes})  # type: ignore[arg-type]


def test_the_first_discovery_numbers_from_one() -> None:
    points, _, names = planted()
    clustering = spherical_kmeans(points, 6, seed=0)
    carried = carry_over(points, clustering, names, NOTHING_KNOWN)
    assert carried.ids == ("S01", "S02", "S03", "S04", "S05", "S06")
    np.testing.assert_array_equal(carried.clustering.labels, clustering.labels)
    np.testing.assert_array_equal(carried.clustering.centroids, clustering.centroids)


@pytest.mark.parametrize("extra", [0, 12])
def test_ids_stay_with_another_seed_and_with_a_tenth_more_films(extra: int) -> None:
    points, truth, names = planted(120 + extra)
    first = spherical_kmeans(points[:120], 6, seed=0)
    before = members(first, carry_over(points[:120], first, names[:120], NOTHING_KNOWN).ids, names[:120])
    shuffled = np.random.default_rng(5).permutation(len(points))  # other order, other numbers of clusters
    second = spherical_kmeans(points[shuffled], 6, seed=7)
    carried = carry_over(points[shuffled], second, [names[i] for i in shuffled], known_from(before))
    after = members(carried.clustering, carried.ids, [names[i] for i in shuffled])
    assert set(after) == set(before)
    for id_, films in before.items():
        assert len(set(films) & set(after[id_])) >= 0.9 * len(films)
    assert {truth[int(t[1:])] for t in after["S01"]} == {truth[int(before["S01"][0][1:])]}


def test_an_id_is_never_given_again() -> None:
    points, _, names = planted()
    first = spherical_kmeans(points, 6, seed=0)
    before = members(first, carry_over(points, first, names, NOTHING_KNOWN).ids, names)
    noise = np.random.default_rng(1).normal(size=points.shape)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    carried = carry_over(noise, spherical_kmeans(noise, 6, seed=0), names, known_from(before, highest=9))
    fresh = set(carried.ids) - set(before)
    assert fresh
    assert all(int(id_[1:]) > 9 for id_ in fresh)


def test_a_sub_genre_that_was_away_comes_back_under_its_id() -> None:
    points, _, names = planted()
    first = spherical_kmeans(points, 6, seed=0)
    before = members(first, carry_over(points, first, names, NOTHING_KNOWN).ids, names)
    now = {id_: films for id_, films in before.items() if id_ != "S02"}  # S02 was not found by the last discovery
    carried = carry_over(points, first, names, known_from(before, wanted=now))
    assert "S02" in carried.ids


def test_without_a_common_film_centres_decide() -> None:
    points, truth, names = planted()
    first = spherical_kmeans(points[:60], 6, seed=0)
    ids = carry_over(points[:60], first, names[:60], NOTHING_KNOWN).ids
    before = members(first, ids, names[:60])
    second = spherical_kmeans(points[60:], 6, seed=3)
    known = known_from(before, centres=dict(zip(ids, first.centroids, strict=True)))
    carried = carry_over(points[60:], second, names[60:], known)
    assert set(carried.ids) == set(ids)
    for c, id_ in enumerate(carried.ids):
        old = {truth[int(t[1:])] for t in before[id_]}
        assert set(truth[60:][carried.clustering.labels == c]) == old
    assert set(carry_over(points[60:], second, names[60:], known_from(before)).ids).isdisjoint(ids)


def test_a_locked_sub_genre_keeps_exactly_its_films() -> None:
    points, _, names = planted()
    first = spherical_kmeans(points, 6, seed=0)
    before = members(first, carry_over(points, first, names, NOTHING_KNOWN).ids, names)
    odd = {**before, "S03": (*before["S03"][:-2], before["S04"][0])}
    odd["S04"] = (*before["S04"][1:], *before["S03"][-2:])
    merged = known_from(before, wanted=odd, locked={"S03": odd["S03"]}, part_of={"S05": "S03"})
    carried = carry_over(points, spherical_kmeans(points, 5, seed=2), names, merged)
    after = members(carried.clustering, carried.ids, names)
    assert set(after["S03"]) == set(odd["S03"])
    assert "S05" not in after, "what is merged into a locked one brings nothing into it"
    assert sorted(t for films in after.values() for t in films) == sorted(names)
    for i in range(len(carried.ids)):
        total = points[carried.clustering.labels == i].sum(axis=0)
        np.testing.assert_allclose(carried.clustering.centroids[i], total / np.linalg.norm(total), atol=1e-9)


def test_new_films_of_a_split_sub_genre_go_to_the_nearer_part() -> None:
    points, truth, names = planted(132)
    old = {"S01": tuple(n for n, t in zip(names[:120], truth, strict=False) if t < 2)}
    old |= {f"S{t:02d}": tuple(n for n, x in zip(names[:120], truth, strict=False) if x == t) for t in range(2, 6)}
    halves = {id_: films for id_, films in old.items() if id_ != "S01"}
    halves |= {"S01": tuple(n for n in old["S01"] if truth[int(n[1:])] == 0)}
    halves |= {"S06": tuple(n for n in old["S01"] if truth[int(n[1:])] == 1)}
    labels = np.maximum(truth, 1) - 1  # the new discovery still sees the two as one
    centroids = unit_means(points, labels, 5)
    clustering = Clustering(labels, centroids, centroids, np.zeros(5), 0.0)
    carried = carry_over(points, clustering, names, known_from(old, wanted=halves, offspring={"S01": ["S06"]}))
    owner = np.array(carried.ids)[carried.clustering.labels]
    new = np.arange(120, 132)
    assert (owner[new[truth[120:] == 0]] == "S01").all()
    assert (owner[new[truth[120:] == 1]] == "S06").all()
    old_ones = [i for i in range(120) if truth[i] == 1]
    assert (owner[old_ones] == "S01").all(), "old films are placed by the split itself"
