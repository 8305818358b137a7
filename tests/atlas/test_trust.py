"""Verdicts: what other causes are tested, and what is told."""

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from cinegrain.discovery.confounders import Confounder, Values, measure_confounders
from cinegrain.discovery.structure import GenreStructure
from cinegrain.discovery.verdict import judge
from cinegrain.pipeline.confounders import confounder_values
from cinegrain.store.schema import TrailerRecord
from cinegrain.types import Trailer

N = 200
INSIDE = np.arange(N) < 60
EVERY = np.ones(N, dtype=bool)


def by_name(variables: Mapping[str, Values]) -> dict[str, Confounder]:
    (found,) = measure_confounders([INSIDE], [EVERY], variables, seed=0)
    return {nuisance.name: nuisance for nuisance in found}


def test_a_cluster_made_by_loudness_alone_is_an_artefact_and_one_made_by_content_is_not() -> None:
    rng = np.random.default_rng(0)
    loudness, content = rng.normal(-20, 4, size=N), rng.normal(size=N)
    brightness = rng.normal(size=N) + 0.5 * content  # goes with the content, but does not make it
    by_loudness, by_content = loudness > np.quantile(loudness, 0.7), content > np.quantile(content, 0.7)
    found = measure_confounders(
        [by_loudness, by_content], [EVERY, EVERY], {"loudness": loudness, "brightness": brightness}, seed=0
    )
    verdicts = [
        judge(size=60, seeds=1.0, subsamples=1.0, nuisances=n, genre="Horror", overlap=0.3, structure=None)
        for n in found
    ]
    assert verdicts[0].kind == "artefact"
    assert verdicts[0].said == (
        "May be an artefact of loudness: a film of it is louder than one of the rest of Horror in 100 of 100 pairs."
    )
    assert verdicts[1].kind == "stable"
    assert all(not nuisance.explains for nuisance in found[1])


def test_auc_is_counted_pair_by_pair_and_p_is_corrected_by_holm() -> None:
    rng = np.random.default_rng(1)
    variables: dict[str, np.ndarray] = {
        "year": rng.integers(1960, 2020, size=N).astype(float),
        "length": rng.normal(size=N) + 0.6 * INSIDE,
    }
    found = by_name(variables)
    ps = {}
    for name, values in variables.items():
        a, b = values[INSIDE], values[~INSIDE]
        auc = np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
        assert found[name].auc == pytest.approx(max(auc, 1 - auc))
        assert found[name].higher == (auc > 0.5)
        ps[name] = mannwhitneyu(a, b).pvalue
    small, large = sorted(ps, key=lambda name: ps[name])
    assert found[small].p == pytest.approx(min(2 * ps[small], 1))
    assert found[large].p == pytest.approx(max(2 * ps[small], ps[large]))


def test_a_studio_that_makes_a_cluster_is_told_and_many_studios_by_chance_are_not() -> None:
    rng = np.random.default_rng(2)
    chance = [f"studio {i}" for i in rng.integers(40, size=N)]
    made = ["Gothic" if inside else f"studio {i}" for inside, i in zip(INSIDE, rng.integers(40, size=N), strict=True)]
    found = by_name({"studio": made, "distributor": chance})
    assert found["studio"].explains
    assert found["studio"].value == "Gothic"
    assert found["distributor"].auc == pytest.approx(0.5, abs=0.12)
    assert not found["distributor"].explains


def test_unknown_values_are_left_out_and_too_few_are_not_judged() -> None:
    year = np.where(np.arange(N) % 2, np.nan, np.arange(N, dtype=float))
    found = by_name({"year": year, "aspect": np.where(np.arange(N) < 4, 1.0, np.nan), "length": np.full(N, 3.0)})
    assert set(found) == {"year"}
    assert found["year"].auc == 1


def test_no_variable_explains_random_clusters() -> None:
    rng = np.random.default_rng(3)
    variables: dict[str, Values] = {name: rng.normal(size=N) for name in ("year", "length", "loudness", "brightness")}
    groups = [rng.random(N) < 0.2 for _ in range(20)]
    found = measure_confounders(groups, [EVERY] * 20, variables, seed=0)
    assert not any(nuisance.explains for group in found for nuisance in group)
    assert min(nuisance.p for group in found for nuisance in group) > 0.01


NO_PARTS = GenreStructure("Horror", 80, 1, 2, 0.01, 0.03, 0.4, finer=False)
SOUND = {"size": 30, "seeds": 0.9, "subsamples": 0.8, "nuisances": (), "genre": "Horror", "overlap": 0.2}


@pytest.mark.parametrize(
    ("changed", "structure", "kind", "said"),
    [
        ({}, None, "stable", "Stable: recovered, 0.90 with other seeds, 0.80 with 80 % of the films"),
        ({"subsamples": 0.74}, None, "loose", "Loose: only partly recovered"),
        ({"seeds": 0.5}, NO_PARTS, "loose", "Loose"),
        ({"size": 4}, None, "small", "Too small to judge"),
        (
            {},
            NO_PARTS,
            "cut",
            "May be no more than a cut through Horror. No finer structure was found inside Horror (gap 0.01, within "
            "the 95 % range of chance, 0.03).",
        ),
        ({"overlap": 0.6}, NO_PARTS, "stable", "Stable"),
        ({"genre": ""}, None, "stable", "Stable"),
    ],
)
def test_the_gravest_doubt_is_told(
    changed: dict[str, object], structure: GenreStructure | None, kind: str, said: str
) -> None:
    verdict = judge(**(SOUND | changed), structure=structure)  # type: ignore[arg-type]
    assert verdict.kind == kind
    assert verdict.said.startswith(said)


def test_what_a_run_knows_of_its_films() -> None:
    trailers = [
        Trailer("a", "a.mp4", "A", year=1999, text={"studio": "Gothic|Other", "plot": "x"}),  # type: ignore[arg-type]
        Trailer("b", "b.mp4", "B", year=None, text={"studio": "gothic"}),  # type: ignore[arg-type]
        Trailer("c", "c.mp4", "C", year=2001, text={"studio": "Hammer"}),  # type: ignore[arg-type]
    ]
    facts = ['{"width": 160, "height": 90, "loudness_dbfs": -20.5}', "{}", '{"width": 4, "height": 3}']
    records = {
        t.trailer_id: TrailerRecord(t.trailer_id, "", "", 0, 0, 60.0 + i, 1, (), (), fact)
        for i, (t, fact) in enumerate(zip(trailers, facts, strict=True))
    }
    found = confounder_values(trailers, records, "studio,country")
    assert set(found) == {"year", "length", "aspect", "studio"}, "one known value tells nothing"
    np.testing.assert_array_equal(found["year"], [1999, np.nan, 2001])
    np.testing.assert_allclose(np.asarray(found["aspect"], float), [16 / 9, np.nan, 4 / 3])
    assert found["studio"] == ["gothic", "gothic", "hammer"]
