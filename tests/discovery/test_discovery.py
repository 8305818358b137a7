import numpy as np
import pytest

from cinegrain.atlas.cards import Films, build_atlas
from cinegrain.discovery.choose_k import choose_k
from cinegrain.discovery.clustering import unit_rows
from cinegrain.discovery.kmeans import kmeans_clusterer, spherical_kmeans
from cinegrain.discovery.map_layout import map_layout
from cinegrain.discovery.stability import Stability
from cinegrain.errors import DataError
from cinegrain.metrics.cluster_agreement import cluster_scores
from cinegrain.naming.terms import Term, TermCounts, distinctive_terms, label_words
from cinegrain.settings import DiscoverSettings

NO_GENRES = np.zeros((120, 3), dtype=bool)


def planted(k: int = 6, n: int = 120, noise: float = 0.8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(k, 32))
    truth = np.arange(n) % k
    points = centres[truth] + noise * rng.normal(size=(n, 32))
    return points / np.linalg.norm(points, axis=1, keepdims=True), truth


def test_planted_clusters_are_found_and_shuffled_ones_are_not() -> None:
    points, truth = planted()
    found = spherical_kmeans(points, 6, seed=0)
    assert cluster_scores(truth.tolist(), found.labels.tolist()).ari > 0.95
    shuffled = np.random.default_rng(1).permutation(truth)
    assert abs(cluster_scores(shuffled.tolist(), found.labels.tolist()).ari) < 0.1


def test_another_round_of_kmeans_gains_next_to_nothing() -> None:
    points, _ = planted(noise=2.0)
    found = spherical_kmeans(points, 7, seed=3)
    np.testing.assert_array_equal((points @ found.centroids.T).argmax(axis=1), found.labels)
    means = np.stack([points[found.labels == cluster].sum(axis=0) for cluster in range(7)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    # The runs measure lengths, the last step directions: not quite the same fixed point.
    assert 0 <= (points @ means.T).max(axis=1).mean() - found.objective < 2e-3
    sizes = np.bincount(found.labels)
    assert (np.diff(sizes) <= 0).all(), "biggest cluster first"


def test_order_of_trailers_changes_names_of_clusters_only() -> None:
    points, _ = planted()
    order = np.random.default_rng(0).permutation(len(points))
    a, b = spherical_kmeans(points, 6, seed=0), spherical_kmeans(points[order], 6, seed=0)
    assert cluster_scores(a.labels[order].tolist(), b.labels.tolist()).ari == pytest.approx(1)


def test_silhouette_finds_the_planted_number_and_shows_its_curve() -> None:
    points, _ = planted(k=6)
    choice = choose_k(points[:, None], NO_GENRES, DiscoverSettings(), cluster=kmeans_clusterer(5), seed=0)
    assert choice.k == 6
    assert [p.k for p in choice.curve] == list(range(2, 13))
    assert max(choice.curve, key=lambda p: p.silhouette).k == 6
    at_six = next(p for p in choice.curve if p.k == 6)
    assert at_six.stability > 0.99


def test_asked_for_k_is_taken() -> None:
    choice = choose_k(
        planted()[0][:, None], NO_GENRES, DiscoverSettings(n_clusters=4), cluster=kmeans_clusterer(2), seed=0
    )
    assert (choice.k, choice.criterion) == (4, "asked for")
    with pytest.raises(DataError, match="only 120"):
        choose_k(
            planted()[0][:, None], NO_GENRES, DiscoverSettings(n_clusters=121), cluster=kmeans_clusterer(2), seed=0
        )
    with pytest.raises(DataError, match="at least 3"):
        choose_k(planted()[0][:2, None], NO_GENRES[:2], DiscoverSettings(), cluster=kmeans_clusterer(2), seed=0)


def counts() -> TermCounts:
    horror = {("audio", "Wind"): 0.6, ("audio", "Music"): 0.9, ("image", "candle"): 0.3, ("image", "desk"): 0.1}
    comedy = {("audio", "Laughter"): 0.6, ("audio", "Music"): 0.9, ("image", "desk"): 0.4}
    return TermCounts.from_trailers([horror] * 5 + [comedy] * 5)


def test_words_that_set_a_group_apart_come_first_and_common_ones_never() -> None:
    inside = np.arange(10) < 5
    terms = distinctive_terms(counts(), inside, ~inside)
    assert [t.word for t in terms] == ["candle", "Wind"]
    p, q = 0.3 / 0.4, 0.0  # shares of "candle" within its mode
    assert terms[0].score == pytest.approx(p * np.log((p + 1e-3) / (q + 1e-3)))


def test_a_word_of_one_member_alone_does_not_name_a_group() -> None:
    rows = [{("audio", "Wind"): 0.5} for _ in range(5)] + [{("audio", "Rain"): 0.5} for _ in range(5)]
    rows[0][("audio", "Siren")] = 1.0
    inside = np.arange(10) < 5
    words = [t.word for t in distinctive_terms(TermCounts.from_trailers(rows), inside, ~inside)]
    assert words == ["Wind"]


def test_label_takes_two_words_a_mode_and_no_echo() -> None:
    terms = [
        Term(w, m, 1.0, 1.0)
        for w, m in [
            ("Music", "audio"),
            ("Sad music", "audio"),
            ("Wind", "audio"),
            ("Rain", "audio"),
            ("candle", "image"),
        ]
    ]
    assert label_words(terms) == ("Music", "Wind", "candle")


def test_cards_say_what_the_data_hold() -> None:
    points, truth = planted(k=4, n=80, noise=0.5)
    labels = np.stack([truth < 2, truth >= 2], axis=1)
    terms = TermCounts.from_trailers([{("audio", f"sound {t}"): 0.5, ("image", "face"): 0.2} for t in truth])
    clustering = spherical_kmeans(points, 4, seed=0)
    films = Films(
        points.reshape(80, 2, 16), tuple(f"t{i}" for i in range(80)), ("A", "B"), labels, ("audio", "image"), terms
    )
    atlas = build_atlas(
        films,
        clustering,
        stability=Stability(np.ones(4), np.full(4, 0.5), 1.0, 0.5),
    )
    assert len({s.name for s in atlas.subgenres}) == 4
    for card in atlas.subgenres:
        members = [int(m[1:]) for m in card.members]
        assert len({truth[m] for m in members}) == 1
        assert card.terms[0].word == f"sound {truth[members[0]]}"
        assert card.parents[0].genre == ("A" if truth[members[0]] < 2 else "B")
        assert card.size == len(members) == 20
        assert sum(card.by_modality.values()) == pytest.approx(1)
        assert (card.stability, card.stability_subsamples) == (1, 0.5)
        assert card.exemplars == card.members[:5]
    assert sorted(m for s in atlas.subgenres for m in s.members) == sorted(f"t{i}" for i in range(80))


def test_the_mode_that_sets_apart_is_named() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2
    audio = np.eye(8)[truth] + 0.1 * rng.normal(size=(60, 8))
    image = np.ones((60, 8)) + 0.1 * rng.normal(size=(60, 8))
    encoded = np.stack(
        [audio / np.linalg.norm(audio, axis=1)[:, None], image / np.linalg.norm(image, axis=1)[:, None]], 1
    )
    clustering = spherical_kmeans(unit_rows(encoded), 2, seed=0)
    atlas = build_atlas(
        Films(
            encoded,
            tuple(str(i) for i in range(60)),
            ("A",),
            np.ones((60, 1), bool),
            ("audio", "image"),
            TermCounts.from_trailers([{}] * 60),
        ),
        clustering,
        stability=Stability(np.ones(2), np.ones(2), 1.0, 1.0),
    )
    assert all(s.by_modality["audio"] > 0.9 for s in atlas.subgenres)
    assert {s.name for s in atlas.subgenres} == {"A", "A (2)"}, "without words the names still differ"


@pytest.mark.parametrize("n", [3, 9, 40])
def test_map_is_seeded_and_finite(n: int) -> None:
    points = planted(n=n)[0]
    first = map_layout(points, seed=0)
    assert first.shape == (n, 2)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, map_layout(points, seed=0))


def test_a_map_of_very_many_lays_out_a_sample_and_places_the_rest_among_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 6, 900)
    points = rng.normal(size=(6, 20))[truth] + 0.4 * rng.normal(size=(900, 20))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    monkeypatch.setattr("cinegrain.discovery.map_layout.MAX_TSNE_FILMS", 300)
    places = map_layout(points, seed=0)
    chosen = np.sort(np.random.default_rng(0).choice(900, 300, replace=False))
    np.testing.assert_array_equal(places[chosen], map_layout(points[chosen], seed=0))
    rest = np.setdiff1d(np.arange(900), chosen)
    nearest = chosen[np.linalg.norm(places[rest][:, None] - places[chosen], axis=2).argmin(axis=1)]
    assert (truth[nearest] == truth[rest]).mean() > 0.97
    shuffled = rng.permutation(truth)
    assert (shuffled[nearest] == shuffled[rest]).mean() < 0.3
