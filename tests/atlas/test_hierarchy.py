from dataclasses import replace

import numpy as np
from tests.discovery.test_clusterers import unit

from cinegrain.atlas.cards import Films, build_atlas
from cinegrain.atlas.hierarchy import with_finer
from cinegrain.discovery.clustering import Clustering, around
from cinegrain.discovery.kmeans import kmeans_clusterer
from cinegrain.discovery.stability import Stability
from cinegrain.discovery.verdict import Verdict
from cinegrain.naming.terms import TermCounts


def test_a_sub_genre_with_parts_is_cut_and_one_without_is_not() -> None:
    rng = np.random.default_rng(0)
    n, d = 120, 16
    home, part = np.arange(n) % 2, np.arange(n) // 2 % 2
    towards = np.eye(d)
    rows = 2 * towards[home] + np.where(home == 0, 1.0, 0.0)[:, None] * np.where(part, 1, -1)[:, None] * towards[5]
    points = unit(rows + 0.25 * rng.normal(size=(n, d)))
    clustering: Clustering = around(points, unit(towards[:2]))
    terms = TermCounts.from_trailers(
        [{("audio", f"home {h}"): 0.5, ("audio", f"part {p}"): 0.5} for h, p in zip(home, part, strict=True)]
    )
    films = Films(
        points[:, None], tuple(f"t{i:03d}" for i in range(n)), ("A",), np.ones((n, 1), bool), ("audio",), terms
    )
    atlas = build_atlas(films, clustering, stability=Stability(np.ones(2), np.ones(2), 1.0, 1.0))
    atlas = replace(atlas, subgenres=tuple(replace(s, verdict=Verdict("stable", "Stable.")) for s in atlas.subgenres))
    found = with_finer(atlas, films, lambda rows: [points[rows]], kmeans_clusterer(3), seed=0)
    by_home = {int(home[int(s.members[0][1:])]): s for s in found.subgenres}
    assert by_home[1].finer == ()
    parts = by_home[0].finer
    assert [p.id for p in parts] == [f"{by_home[0].id}.1", f"{by_home[0].id}.2"]
    assert sorted(m for p in parts for m in p.members) == sorted(by_home[0].members)
    for p in parts:
        inside = {int(part[int(m[1:])]) for m in p.members}
        assert len(inside) == 1
        assert p.keywords == (f"part {inside.pop()}",)
        assert p.size == len(p.members) == 30
        assert p.exemplars == p.members[:5]
        assert p.stability > 0.9
    loose = replace(atlas, subgenres=tuple(replace(s, verdict=Verdict("loose", "")) for s in atlas.subgenres))
    again = with_finer(loose, films, lambda rows: [points[rows]], kmeans_clusterer(3), seed=0)
    assert all(s.finer == () for s in again.subgenres), "what is loose is not looked into"
