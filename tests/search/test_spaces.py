"""Weighted search against slow loops; what is missing; memory with many films."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from cinegrain.errors import ShapeError
from cinegrain.search.spaces import Besides, ExpertSpace, Part, search
from cinegrain.types import Bool, Float32

N, WIDTHS = 60, {"sound": 5, "picture": 9}


def corpus(n: int = N, seed: int = 0) -> tuple[dict[str, Float32], dict[str, Bool]]:
    """Raw vectors of very uneven size, and who has them."""
    rng = np.random.default_rng(seed)
    vectors = {}
    present = {}
    for name, d in WIDTHS.items():
        raw = rng.normal(2, 1, size=(n, d)) * 10 ** rng.uniform(-2, 2, size=d)
        vectors[name], present[name] = raw.astype(np.float32), rng.random(n) < 0.8
    return vectors, present


def spaces(vectors: dict[str, Float32], present: dict[str, Bool]) -> dict[str, ExpertSpace]:
    return {name: ExpertSpace.measure(vectors[name][present[name]], present[name]) for name in vectors}


def slow_scores(
    vectors: dict[str, Float32], present: dict[str, Bool], asked: int, weights: dict[str, float]
) -> list[float]:
    """The formula, film by film."""
    scores = []
    for film in range(N):
        score = 0.0
        for name, weight in weights.items():
            own = vectors[name][present[name]].astype(np.float64)
            seen = (vectors[name].astype(np.float64) - own.mean(axis=0)) / own.std(axis=0)
            if present[name][film] and present[name][asked]:
                cosine = seen[asked] @ seen[film] / np.linalg.norm(seen[asked]) / np.linalg.norm(seen[film])
                score += weight / sum(weights.values()) * cosine
        scores.append(score)
    return scores


@pytest.mark.parametrize("weights", [{"sound": 1.0, "picture": 1.0}, {"sound": 3.0, "picture": 0.5}, {"picture": 2.0}])
def test_scores_equal_slow_loops(weights: dict[str, float]) -> None:
    vectors, present = corpus()
    asked = int(np.flatnonzero(present["sound"] & present["picture"])[0])
    known = spaces(vectors, present)
    query = {name: Part(known[name].directions(np.array([asked]))[0], weight) for name, weight in weights.items()}
    hits = search(known, query, top_k=N, exclude=[asked])
    wanted = slow_scores(vectors, present, asked, weights)
    assert len(hits) == N - 1
    assert {hit.item: hit.score for hit in hits} == pytest.approx(
        {i: wanted[i] for i in range(N) if i != asked}, abs=1e-5
    )
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_one_inner_product_of_scaled_blocks_is_the_weighted_sum() -> None:
    """Unit blocks side by side, each times the root of its weight: the same ranking and scores."""
    vectors, _ = corpus()
    known = spaces(vectors, {name: np.ones(N, bool) for name in vectors})
    weights = {"sound": 0.8, "picture": 0.2}
    everything = np.arange(N)
    blocks = np.concatenate([np.sqrt(weights[n]) * known[n].directions(everything) for n in vectors], axis=1)
    query = {name: Part(known[name].directions(everything[:1])[0], weights[name]) for name in vectors}
    hits = search(known, query, top_k=N)
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(blocks @ blocks[0])[::-1], atol=1e-5)


def test_a_missing_expert_neither_helps_nor_hurts() -> None:
    """Films alike in picture; one of them has no sound. It stands between those that sound alike and unlike."""
    rng = np.random.default_rng(1)
    sound, picture = (rng.normal(size=(40, 8)).astype(np.float32) for _ in range(2))
    picture[1:4] = picture[0]
    sound[1], sound[2] = sound[0], -sound[0]
    heard = np.ones(40, bool)
    heard[3] = False
    known = spaces({"sound": sound, "picture": picture}, {"sound": heard, "picture": np.ones(40, bool)})
    query = {name: Part(known[name].directions(np.array([0]))[0], 1.0) for name in known}
    found = [hit.item for hit in search(known, query, top_k=40, exclude=[0])]
    assert [item for item in found if item in (1, 2, 3)] == [1, 3, 2]
    assert found[:2] == [1, 3]
    alone = search(known, {"sound": query["sound"]}, top_k=40)
    assert next(hit for hit in alone if hit.item == 3).score == 0


def test_numbers_that_never_change_and_films_in_the_centre_are_no_direction() -> None:
    vectors = np.array([[5, 1, 0], [5, -1, 0], [5, 0, 0]], np.float32)
    space = ExpertSpace.measure(vectors, np.ones(3, bool))
    assert space.direction(vectors[2]) is None
    cosines = space.cosines(np.array([0, 1, 0], np.float32))
    np.testing.assert_allclose(cosines, [1, -1, 0], atol=1e-6)
    with pytest.raises(ShapeError, match="2 trailers should have"):
        ExpertSpace.measure(vectors, np.array([True, True, False]))


def test_films_that_come_later_are_searched_as_if_measured_among_the_first() -> None:
    vectors, present = corpus()
    n, rng = N - 20, np.random.default_rng(5)
    for name, space in spaces({k: v[:n] for k, v in vectors.items()}, {k: p[:n] for k, p in present.items()}).items():
        later = vectors[name][n:][present[name][n:]]
        whole = space.extended(later, present[name][n:])
        query = np.asarray(rng.normal(size=vectors[name].shape[1]), np.float32)
        away = (vectors[name] - space.centre) * space.scale
        slow = np.where(present[name], away @ query / np.linalg.norm(away, axis=1), 0)
        assert whole.cosines(query) == pytest.approx(slow, abs=1e-4)
        some = rng.permutation(N)[: N // 2]
        assert whole.directions(some) @ query == pytest.approx(slow[some], abs=1e-4)


def test_another_score_counts_by_its_weight() -> None:
    vectors, present = corpus()
    known = spaces(vectors, present)
    query = {"picture": Part(known["picture"].directions(np.flatnonzero(present["picture"])[:1])[0], 1.0)}
    words = np.zeros(N, np.float32)
    words[17] = 1.0
    assert search(known, query, top_k=1, besides=Besides(words, 50.0))[0].item == 17
    assert search(known, {}, top_k=1, besides=Besides(words, 1.0))[0].item == 17
    plain = {hit.item: hit.score for hit in search(known, query, top_k=N)}
    mixed = {hit.item: hit.score for hit in search(known, query, top_k=N, besides=Besides(words, 1.0))}
    assert mixed == pytest.approx({i: (score + words[i]) / 2 for i, score in plain.items()}, abs=1e-6)


def test_a_search_among_many_films_holds_one_block_of_their_vectors(tmp_path: Path) -> None:
    n, d, top_k = 60_000, 256, 10
    rng = np.random.default_rng(0)
    np.save(tmp_path / "vectors.npy", rng.normal(size=(n, d)).astype(np.float16))
    vectors = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    tracemalloc.start()
    try:
        space = ExpertSpace.measure(vectors, np.ones(n, bool))
        measured, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        everything = space.mean_direction(np.arange(n))
        hits = search({"sound": space}, {"sound": Part(space.directions(np.array([7]))[0], 1.0)}, top_k=top_k)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    whole = vectors.astype(np.float32)
    assert peak - measured < whole.nbytes / 2, "a block of 8,192 rows, twice over, and some numbers a film"
    seen = (whole - whole.mean(axis=0)) / whole.std(axis=0)
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    assert [hit.item for hit in hits] == np.argsort(-(seen @ seen[7]), kind="stable")[:top_k].tolist()
    mean = seen.mean(axis=0)
    assert everything == pytest.approx(mean / np.linalg.norm(mean), abs=1e-3)
