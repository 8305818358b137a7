from collections import Counter, defaultdict
from itertools import pairwise
from statistics import mean

import pytest

from cinegrain.errors import ConfigError
from cinegrain_demo.inventory import GENRES, MOTIONS, SETTINGS, SOUNDS, SUBGENRES
from cinegrain_demo.look import ASPECTS, FRAME_RATES
from cinegrain_demo.plan import CorpusSettings, plan_corpus

MODES = ("setting", "motion", "sound")
LARGE = CorpusSettings(n_films=960)


def test_default_corpus_has_96_films_of_equally_frequent_subgenres() -> None:
    plans = plan_corpus(CorpusSettings())
    assert len(plans) == 96
    assert set(Counter(plan.subgenre for plan in plans).values()) == {96 // len(SUBGENRES)}


def test_subgenre_counts_differ_by_at_most_one() -> None:
    counts = Counter(plan.subgenre for plan in plan_corpus(CorpusSettings(n_films=73)))
    assert len(counts) == len(SUBGENRES)
    assert max(counts.values()) - min(counts.values()) == 1


def test_every_subgenre_is_its_own_combination_of_known_modes() -> None:
    assert len(SUBGENRES) >= 14
    assert (
        len({s.name for s in SUBGENRES}) == len({(s.setting, s.motion, s.sound) for s in SUBGENRES}) == len(SUBGENRES)
    )
    assert {s.setting for s in SUBGENRES} == set(SETTINGS)
    assert {s.motion for s in SUBGENRES} == set(MOTIONS)
    assert {s.sound for s in SUBGENRES} == set(SOUNDS)
    assert all({s.home, *s.others} <= set(GENRES) and s.home not in s.others for s in SUBGENRES)


@pytest.mark.parametrize("mode", MODES)
def test_no_single_mode_tells_any_subgenre(mode: str) -> None:
    sharing = Counter(getattr(s, mode) for s in SUBGENRES)
    assert min(sharing.values()) >= 2


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_alone_separates_a_pair_within_one_genre(mode: str) -> None:
    pairs = [
        (a, b)
        for a in SUBGENRES
        for b in SUBGENRES
        if a is not b and a.home == b.home and [m for m in MODES if getattr(a, m) != getattr(b, m)] == [mode]
    ]
    assert pairs


@pytest.mark.parametrize("mode", ["setting", "sound"])
def test_each_of_setting_and_sound_alone_separates_a_pair_across_genres(mode: str) -> None:
    assert any(
        a.home != b.home and [m for m in MODES if getattr(a, m) != getattr(b, m)] == [mode]
        for a in SUBGENRES
        for b in SUBGENRES
    )


def test_every_genre_is_home_to_two_to_four_subgenres() -> None:
    homes = Counter(s.home for s in SUBGENRES)
    assert set(homes) == set(GENRES)
    assert all(2 <= count <= 4 for count in homes.values())


def test_films_carry_their_home_genre_and_about_1_6_genres() -> None:
    home = {s.name: s.home for s in SUBGENRES}
    plans = plan_corpus(LARGE)
    assert all(home[p.subgenre] in p.genres and len(set(p.genres)) == len(p.genres) <= 3 for p in plans)
    # Standard error of the mean over 960 films is about 0.02.
    assert 1.5 < mean(len(p.genres) for p in plans) < 1.7


def test_genre_labels_do_not_determine_the_subgenre() -> None:
    seen: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for plan in plan_corpus(CorpusSettings()):
        seen[plan.genres].add(plan.subgenre)
    assert mean(len(names) for genres, names in seen.items() if len(genres) == 1) >= 2


def test_same_settings_same_plan_and_other_seed_other_plan() -> None:
    assert plan_corpus(CorpusSettings()) == plan_corpus(CorpusSettings())
    assert plan_corpus(CorpusSettings()) != plan_corpus(CorpusSettings(seed=1))


def test_names_titles_and_seeds_are_unique_and_reveal_nothing() -> None:
    plans = plan_corpus(LARGE)
    for values in ([p.film_id for p in plans], [p.title for p in plans], [p.seed for p in plans]):
        assert len(set(values)) == len(plans)
    telling = {
        word
        for s in SUBGENRES
        for text in (s.name, s.setting, s.motion, s.sound, s.home)
        for word in text.lower().split()
    }
    for plan in plans:
        assert not telling & set(f"{plan.title} {plan.file_name}".lower().replace(".", " ").split())


def test_order_of_films_does_not_tell_the_subgenre() -> None:
    names = [plan.subgenre for plan in plan_corpus(LARGE)]
    same = sum(a == b for a, b in pairwise(names))
    every_16th = sum(a == b for a, b in zip(names, names[16:], strict=False))
    # Expected 60 of 959 each by chance, standard deviation 7.5; a fixed rotation would give 0 and 944.
    assert 30 < same < 90
    assert 30 < every_16th < 90


@pytest.mark.parametrize("what", ["aspect", "frame_rate"])
def test_picture_shape_and_frame_rate_ignore_the_subgenre(what: str) -> None:
    choices = {"aspect": ASPECTS, "frame_rate": FRAME_RATES}[what]
    plans = plan_corpus(LARGE)
    table = Counter((p.subgenre, getattr(p.look, what)) for p in plans)
    assert len(table) >= 0.95 * len(SUBGENRES) * len(choices)
    expected = len(plans) / (len(SUBGENRES) * len(choices))
    chi2 = sum((table[(s.name, c)] - expected) ** 2 / expected for s in SUBGENRES for c in choices)
    freedom = len(SUBGENRES) * len(choices) - 1
    # Mean `freedom`, standard deviation sqrt(2 * freedom); five of them is far beyond chance.
    assert chi2 < freedom + 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize(
    "what", ["duration_s", "warmth", "tint", "saturation", "contrast", "gamma", "grain", "gain_db"]
)
def test_grade_length_and_loudness_ignore_the_subgenre(what: str) -> None:
    plans = plan_corpus(LARGE)
    values = [float(getattr(p.look, what)) for p in plans]
    centre = mean(values)
    spread = mean((v - centre) ** 2 for v in values) ** 0.5
    for subgenre in SUBGENRES:
        own = [float(getattr(p.look, what)) for p in plans if p.subgenre == subgenre.name]
        # The mean of 60 draws has a deviation of spread / sqrt(60); five of those is far beyond chance.
        assert abs(mean(own) - centre) < 5 * spread / 60**0.5


def test_most_aspects_occur_in_most_subgenres_of_the_default_corpus() -> None:
    plans = plan_corpus(CorpusSettings())
    for aspect in ASPECTS:
        assert len({p.subgenre for p in plans if p.look.aspect == aspect}) > len(SUBGENRES) / 2


@pytest.mark.parametrize(
    "wrong",
    [{"n_films": 15}, {"n_films": 100_000}, {"seed": -1}, {"shortest_s": 9.0, "longest_s": 8.0}, {"shortest_s": 0.0}],
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"expected .* found"):
        CorpusSettings(**wrong)  # type: ignore[arg-type]
