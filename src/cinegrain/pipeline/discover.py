"""The discovery stage: finds, names and describes sub-genres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from safetensors.numpy import save

from cinegrain.atlas.cards import (
    Atlas,
    Discovered,
    Films,
    StabilityFigures,
    Structure,
    StructureOfGenre,
    build_atlas,
)
from cinegrain.atlas.edit_log import read_log
from cinegrain.atlas.hierarchy import with_finer
from cinegrain.atlas.identity import Carried, Known, carry_over
from cinegrain.atlas.known_ids import read_known, write_known
from cinegrain.atlas.new_films import read_new_films
from cinegrain.atlas.run_atlas import RunAtlas, join_atlas, write_table
from cinegrain.atlas.trust import with_verdicts
from cinegrain.config import Settings, keyed
from cinegrain.discovery.choose_k import KChoice, choose_k
from cinegrain.discovery.clusterers import make_clusterer
from cinegrain.discovery.clustering import Clusterer, Clustering, unit_rows
from cinegrain.discovery.confounders import Values
from cinegrain.discovery.kmeans import kmeans_clusterer
from cinegrain.discovery.map_layout import map_layout, turned_to
from cinegrain.discovery.side_by_side import side_by_side
from cinegrain.discovery.stability import Repeats, repeat_search, stability, with_calibrated_membership
from cinegrain.discovery.structure import GenreStructure, genre_structures, said_of, said_of_all
from cinegrain.errors import StoreError
from cinegrain.models.genre_model import GenreModel
from cinegrain.naming.trailer_words import term_counts, trailer_concepts
from cinegrain.pipeline.answers.assign import place_again
from cinegrain.pipeline.confounders import confounder_values
from cinegrain.pipeline.expert_blocks import ExpertBlocks
from cinegrain.pipeline.learning.measure import measure
from cinegrain.pipeline.learning.rows import Found, trailer_rows
from cinegrain.pipeline.learning.train import RunData
from cinegrain.runs.artifacts import is_current, key_of, rows_written, write_bytes, write_json
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import OnStep, Watcher
from cinegrain.runs.provenance import provenance
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.checkpoint import CoarseCard, FinetunedCard, load_model
from cinegrain.training.infer import encode_all
from cinegrain.types import Float64

_SEEDS, _SUBSAMPLES = 10, 10  # searches that stability is measured over
_QUICK = 3  # restarts for each number of sub-genres tried


def discover(run: Run, data: RunData, settings: Settings, watcher: Watcher) -> str:
    """Finds, names and describes sub-genres, unless done already for these inputs.

    Returns:
        Key of the atlas.

    Raises:
        StoreError: If a model is missing, or the fine-tuned one was made from another genre model.
        DataError: If there are too few films.
    """
    coarse, tuned = load_model(run.coarse, CoarseCard), load_model(run.finetuned, FinetunedCard)
    if tuned[1].coarse_key != coarse[1].key:
        raise StoreError("The genre model was trained again after fine-tuning. Run `cinegrain finetune` first.")
    key = _key(data, tuned[1].key, settings)
    if is_current(run.atlas, key):
        return key
    log = read_log(run.edits)
    known = read_known(run, log.entries, tuned[1].key)
    run.atlas.unlink(missing_ok=True)  # written last: it marks the stage as complete
    encoded = _encoded(tuned[0], data)
    dataset = EmbeddingDataset(run.dataset)
    concepts = trailer_concepts(dataset, data.modalities)
    searched = _search(encoded, data, settings, watcher)
    with watcher.stage("Names, verdicts and map") as on_step:
        carried = carry_over(searched.points, searched.clustering, data.trailer_ids, known)
        words = term_counts(data.trailers, concepts, settings.discover.text_columns)
        films = Films(encoded, tuple(data.trailer_ids), data.genres, data.labels, tuple(data.modes), words)
        confounders = confounder_values(
            data.trailers,
            {record.trailer_id: record for record in dataset.trailers},
            settings.discover.nuisance_columns,
        )
        atlas = _named(films, carried, searched, confounders, settings.seed, on_step)
        spaces = searched.points, unit_rows(_encoded(coarse[0], data))
        layout, layout_before = side_by_side([partial(map_layout, points, seed=settings.seed) for points in spaces])
        on_step(3, 3, f"{len(data.trailers)} films placed")
    places = {name: getattr(atlas.clustering, name) for name in ("centroids", "weights", "biases")}
    write_bytes(run.embeddings, save({"encoded": encoded.astype(np.float32), **places}))
    with watcher.stage("Films and figures") as on_step:
        found = Found(atlas, encoded, layout, turned_to(layout_before, layout), concepts)
        rows, influence = trailer_rows(data, dataset, *coarse, found)
        with rows_written(run.trailers) as add:
            for row in rows:
                add(row)
        on_step(1, 2, f"{len(rows)} films described")
        metrics = measure(data, coarse, tuned, influence, searched.choice, settings.seed)
        on_step(2, 2, "metrics")
    write_json(run.metrics, metrics)
    names = [subgenre.name for subgenre in atlas.subgenres]
    write_known(run, known, carried, names, data.trailer_ids, tuned[1].key)
    content = _discovered(key, atlas, searched, sorted(confounders), data, settings.seed)
    joined = join_atlas(run, content, rows, read_new_films(run), log)
    write_table(joined)
    for line in _losses(known, joined):
        watcher.say(line)
    write_json(run.atlas, content)
    place_again(run, watcher)
    return key


def _encoded(model: GenreModel, data: RunData) -> Float64:
    """Shape (n, e, d)."""
    return encode_all(model, data.arrays, data.everything).double().numpy()


def _key(data: RunData, tuned_key: str, settings: Settings) -> str:
    """Hash of all inputs of the stage."""
    twice = ["influence by expert"] if len(set(data.modes)) < len(data.modes) else []  # was wrong for these runs
    return key_of(
        *twice,
        "atlas with ids, plain words, verdicts, memberships, k by its clusterer, two maps by openTSNE",
        data.key,
        tuned_key,
        settings.seed,
        keyed(settings, "discover"),
        [(t.trailer_id, t.year, sorted(t.text.items())) for t in data.trailers],
    )


@dataclass(frozen=True, eq=False)
class _Searched:
    """Sub-genres without names, with the search that found them."""

    points: Float64  # unit rows, (n, e * d)
    blocks: ExpertBlocks
    structures: tuple[GenreStructure, ...]
    choice: KChoice
    cluster: Clusterer
    clustering: Clustering
    repeats: Repeats


def _search(encoded: Float64, data: RunData, settings: Settings, watcher: Watcher) -> _Searched:
    """Tests for structure, chooses the number, clusters, and repeats the search."""
    discovery, seed = settings.discover, settings.seed
    points, blocks = unit_rows(encoded), ExpertBlocks(data.arrays)
    cluster = make_clusterer(discovery.clusterer)
    with watcher.stage("Structure within genres") as on_step:
        structures = genre_structures(blocks, data.labels, data.genres, seed=seed, on_step=on_step)
    with watcher.stage("Number of sub-genres") as on_step:
        quick, of_gap = make_clusterer(discovery.clusterer, _QUICK), kmeans_clusterer(_QUICK)
        choice = choose_k(encoded, data.labels, discovery, cluster=quick, quick=of_gap, seed=seed, on_step=on_step)
    with watcher.stage("Sub-genres") as on_step:
        clustering = cluster(points, choice.k, seed=seed, genres=data.labels)
        repeats = repeat_search(
            points,
            len(clustering),
            cluster,
            seed=seed,
            n_seeds=_SEEDS,
            n_subsamples=_SUBSAMPLES,
            genres=data.labels,
            on_step=on_step,
        )
        clustering = with_calibrated_membership(clustering, points, repeats)
    return _Searched(points, blocks, structures, choice, cluster, clustering, repeats)


def _named(
    films: Films,
    carried: Carried,
    searched: _Searched,
    confounders: Mapping[str, Values],
    seed: int,
    on_step: OnStep,
) -> Atlas:
    """Sub-genres with names, verdicts and parts."""
    trust = stability(carried.clustering.labels, searched.repeats)
    atlas = build_atlas(films, carried.clustering, ids=carried.ids, stability=trust)
    on_step(1, 3, f"{len(atlas.subgenres)} sub-genres named")
    atlas = with_verdicts(atlas, films.labels, films.genres, searched.structures, confounders, seed=seed)
    atlas = with_finer(atlas, films, searched.blocks, searched.cluster, seed=seed)
    on_step(2, 3, "verdicts given")
    return atlas


def _losses(known: Known, atlas: RunAtlas) -> list[str]:
    """A sentence for each sub-genre that no longer exists, and for each edit without effect."""
    gone = [id_ for id_ in known.wanted if id_ not in atlas.edited.by_id]
    return [f"{id_} no longer exists; its id is not used again" for id_ in gone] + atlas.oddities


def _discovered(
    key: str, atlas: Atlas, searched: _Searched, tested: Sequence[str], data: RunData, seed: int
) -> Discovered:
    choice, structures = searched.choice, searched.structures
    return Discovered(
        key=key,
        k=choice.k,
        criterion=choice.criterion,
        curve=choice.curve,
        stability=StabilityFigures(atlas.stability.ari_seeds, atlas.stability.ari_subsamples),
        structure=Structure(
            said_of_all(structures),
            any(structure.finer for structure in structures),
            tuple(StructureOfGenre(**vars(structure), said=said_of(structure)) for structure in structures),
        ),
        tested_as_causes=tuple(tested),
        genres=data.genres,
        modes=tuple(data.modes),
        subgenres=atlas.subgenres,
        provenance=provenance(seed),
    )
