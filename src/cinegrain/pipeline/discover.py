"""The discovery stage: sub-genres, and everything that is known of each trailer."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

import numpy as np
from safetensors.numpy import save

from cinegrain.artifacts import is_current, key_of, rows_written, write_bytes, write_json
from cinegrain.config import Settings, to_plain
from cinegrain.discovery.atlas import Atlas, Films, build_atlas, unit_rows
from cinegrain.discovery.choose_k import KChoice, choose_k
from cinegrain.discovery.clusterers import make_clusterer
from cinegrain.discovery.hierarchy import with_finer
from cinegrain.discovery.identity import Known, carry_over
from cinegrain.discovery.layout import map_layout, turned_to
from cinegrain.discovery.side_by_side import side_by_side
from cinegrain.discovery.stability import repeat_search, stability, with_calibrated_membership
from cinegrain.discovery.structure import GenreStructure, genre_structures, said_of, said_of_all
from cinegrain.discovery.trust import with_verdicts
from cinegrain.errors import StoreError
from cinegrain.pipeline.answers.assign import place_again
from cinegrain.pipeline.atlas.arrivals import read_arrivals
from cinegrain.pipeline.atlas.edit_log import read_log
from cinegrain.pipeline.atlas.registry import read_known, write_known
from cinegrain.pipeline.atlas.run_atlas import RunAtlas, join_atlas, write_table
from cinegrain.pipeline.expert_blocks import ExpertBlocks
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.learning.measure import measure
from cinegrain.pipeline.learning.rows import Found, trailer_rows
from cinegrain.pipeline.learning.train import RunData, load_prototypes
from cinegrain.pipeline.nuisances import nuisance_variables
from cinegrain.pipeline.progress import Watcher
from cinegrain.pipeline.provenance import provenance
from cinegrain.pipeline.words import term_counts, trailer_concepts
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.checkpoint import load_model
from cinegrain.training.infer import encode_all
from cinegrain.types import JsonObject

_QUICK = 3  # restarts on the curve, where many numbers are compared


def discover(run: Run, data: RunData, settings: Settings, watcher: Watcher) -> str:
    """Finds, names and describes sub-genres, unless that is done for exactly these inputs.

    Returns:
        The atlas' key.

    Raises:
        StoreError: If a model is missing, or the fine-tuned one was made from another genre model.
        DataError: If there are too few films.
    """
    coarse, coarse_card = load_model(run.coarse)
    finetuned, tuned_card = load_model(run.finetuned)
    if tuned_card["coarse_key"] != coarse_card["key"]:
        raise StoreError("The genre model was trained anew since fine-tuning. Run `cinegrain finetune` first.")
    text = [(t.trailer_id, t.year, sorted(t.text.items())) for t in data.trailers]
    key = key_of(
        "atlas with ids, plain words, verdicts, memberships, k by its clusterer, two maps by openTSNE",
        data.key,
        tuned_card["key"],
        settings.seed,
        to_plain(settings.discover),
        text,
    )
    if is_current(run.atlas, key):
        return key
    log = read_log(run.edits)
    known = read_known(run, log.entries, tuned_card["key"])
    run.atlas.unlink(missing_ok=True)  # written last again: whoever sees it sees all of this stage
    encoded = encode_all(finetuned, data.arrays, data.everything).double().numpy()
    points = unit_rows(encoded)
    dataset = EmbeddingDataset(run.dataset)
    concepts = trailer_concepts(dataset, data.modalities)
    trailer_ids = [trailer.trailer_id for trailer in data.trailers]
    discovery, chosen = settings.discover, settings.seed
    prototypes = load_prototypes(run)
    cluster = make_clusterer(discovery, prototypes)
    blocks = ExpertBlocks(data.arrays)
    with watcher.stage("Structure within genres") as on_step:
        structures = genre_structures(blocks, data.labels, data.genres, seed=chosen, on_step=on_step)
    with watcher.stage("How many sub-genres") as on_step:
        few = replace(discovery, restarts=min(discovery.restarts, _QUICK))
        quick = make_clusterer(few, prototypes)
        of_gap = (
            make_clusterer(replace(few, clusterer="kmeans"), prototypes) if discovery.clusterer == "genres" else quick
        )
        choice = choose_k(encoded, data.labels, discovery, cluster=quick, quick=of_gap, seed=chosen, on_step=on_step)
    with watcher.stage("Sub-genres") as on_step:
        clustering = cluster(points, choice.k, seed=chosen, genres=data.labels)
        repeats = repeat_search(
            points,
            len(clustering),
            cluster,
            seed=chosen,
            n_seeds=discovery.stability_seeds,
            n_subsamples=discovery.stability_subsamples,
            genres=data.labels,
            on_step=on_step,
        )
        if discovery.clusterer != "gaussian":  # the mixture has a posterior of its own
            clustering = with_calibrated_membership(clustering, points, repeats)
    with watcher.stage("Names, verdicts and map") as on_step:
        carried = carry_over(points, clustering, trailer_ids, known)
        words = term_counts(data.trailers, concepts, discovery.text_columns)
        films = Films(encoded, tuple(trailer_ids), data.genres, data.labels, tuple(data.modes), words)
        atlas = build_atlas(
            films, carried.clustering, ids=carried.ids, stability=stability(carried.clustering.labels, repeats)
        )
        records = {record.trailer_id: record for record in dataset.trailers}
        nuisances = nuisance_variables(data.trailers, records, discovery.nuisance_columns)
        on_step(1, 3, f"{len(atlas.subgenres)} sub-genres named")
        atlas = with_verdicts(atlas, data.labels, data.genres, structures, nuisances, seed=chosen)
        atlas = with_finer(atlas, films, blocks, cluster, seed=chosen)
        on_step(2, 3, "verdicts given")
        before = unit_rows(encode_all(coarse, data.arrays, data.everything).double().numpy())
        maps = side_by_side([partial(map_layout, rows, seed=chosen) for rows in (points, before)])
        layout, layout_before = maps
        layout_before = turned_to(layout_before, layout)
        on_step(3, 3, f"{len(data.trailers)} films placed")
    found = Found(atlas, encoded, layout, layout_before, concepts)
    places = {name: getattr(atlas.clustering, name) for name in ("centroids", "weights", "biases")}
    write_bytes(run.embeddings, save({"encoded": encoded.astype(np.float32), **places}))
    with watcher.stage("Films and figures") as on_step:
        rows, influence = trailer_rows(data, dataset, coarse, coarse_card, found)
        with rows_written(run.trailers) as add:
            for row in rows:
                add(row)
        on_step(1, 2, f"{len(rows)} films described")
        figures = measure(data, (coarse, coarse_card), (finetuned, tuned_card), influence)
        on_step(2, 2, "how much is known of the genres before and after")
    write_json(run.metrics, {**figures, "choice_of_k": asdict(choice), "provenance": provenance(settings.seed)})
    write_known(run, known, carried, [subgenre.name for subgenre in atlas.subgenres], trailer_ids, tuned_card["key"])
    content = _atlas_json(atlas, choice, structures, sorted(nuisances), data, key, settings.seed)
    joined = join_atlas(run, content, rows, read_arrivals(run), log)
    write_table(joined)
    for line in _losses(known, joined):
        watcher.say(line)
    write_json(run.atlas, content)
    place_again(run, watcher)
    return key


def _losses(known: Known, atlas: RunAtlas) -> list[str]:
    """A sentence for each sub-genre that is no more, and for each edit that has nothing to hold on to."""
    gone = [id_ for id_ in known.wanted if id_ not in atlas.edited.by_id]
    return [f"{id_} was not found again; its id is not given to another" for id_ in gone] + atlas.oddities


def _atlas_json(
    atlas: Atlas,
    choice: KChoice,
    structures: Sequence[GenreStructure],
    tested: Sequence[str],
    data: RunData,
    key: str,
    seed: int,
) -> JsonObject:
    return {
        "key": key,
        "k": choice.k,
        "criterion": choice.criterion,
        "curve": [asdict(point) for point in choice.curve],
        "stability": {"seeds_ari": atlas.stability.ari_seeds, "subsamples_ari": atlas.stability.ari_subsamples},
        "structure": {
            "said": said_of_all(structures),
            "finds": any(structure.finer for structure in structures),
            "genres": [asdict(structure) | {"said": said_of(structure)} for structure in structures],
        },
        "tested_as_causes": list(tested),
        "genres": list(data.genres),
        "modes": data.modes,
        "subgenres": [asdict(subgenre) for subgenre in atlas.subgenres],
        "provenance": provenance(seed),
    }
