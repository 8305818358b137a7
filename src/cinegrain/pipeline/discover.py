"""The discovery stage: sub-genres, and everything that is known of each trailer."""

from dataclasses import asdict

import numpy as np
from safetensors.numpy import save

from cinegrain.artifacts import is_current, key_of, write_bytes, write_json
from cinegrain.config import Settings, to_plain
from cinegrain.discovery.atlas import Atlas, build_atlas, unit_rows
from cinegrain.discovery.choose_k import KChoice, choose_k
from cinegrain.discovery.clusterers import make_clusterer
from cinegrain.discovery.identity import Known, carry_over
from cinegrain.discovery.layout import map_layout
from cinegrain.discovery.stability import repeat_search, stability, with_calibrated_membership
from cinegrain.errors import StoreError
from cinegrain.pipeline.arrivals import read_arrivals
from cinegrain.pipeline.assign import place_again
from cinegrain.pipeline.atlas import RunAtlas, join_atlas, write_table
from cinegrain.pipeline.edit_log import read_log
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.measure import measure
from cinegrain.pipeline.progress import Watcher
from cinegrain.pipeline.provenance import provenance
from cinegrain.pipeline.registry import read_known, write_known
from cinegrain.pipeline.rows import Found, trailer_rows
from cinegrain.pipeline.train import RunData
from cinegrain.pipeline.words import term_counts, trailer_concepts
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.checkpoint import load_model
from cinegrain.training.infer import encode_all
from cinegrain.types import JsonObject


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
        "atlas with ids, plain words", data.key, tuned_card["key"], settings.seed, to_plain(settings.discover), text
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
    with watcher.stage("Sub-genres") as on_step:
        cluster = make_clusterer(settings.discover)
        choice = choose_k(
            points, len(data.genres), settings.discover, cluster=cluster, seed=settings.seed, on_step=on_step
        )
        clustering = cluster(points, choice.k, seed=settings.seed)
        repeats = repeat_search(
            points,
            len(clustering),
            cluster,
            seed=settings.seed,
            n_seeds=settings.discover.stability_seeds,
            n_subsamples=settings.discover.stability_subsamples,
        )
        if settings.discover.clusterer != "gaussian":  # the mixture has a posterior of its own
            clustering = with_calibrated_membership(clustering, points, repeats)
        carried = carry_over(points, clustering, trailer_ids, known)
        atlas = build_atlas(
            encoded,
            carried.clustering,
            ids=carried.ids,
            trailer_ids=trailer_ids,
            genres=data.genres,
            labels=data.labels,
            modes=data.modes,
            terms=term_counts(data.trailers, concepts, settings.discover.text_columns),
            stability=stability(carried.clustering.labels, repeats),
        )
        layout = map_layout(points, seed=settings.seed)
    found = Found(atlas, encoded, layout, concepts)
    rows, influence = trailer_rows(data, dataset, coarse, coarse_card, found)
    write_bytes(
        run.embeddings, save({"encoded": encoded.astype(np.float32), "centroids": carried.clustering.centroids})
    )
    write_json(run.trailers, rows)
    figures = measure(data, (coarse, coarse_card), (finetuned, tuned_card), influence)
    write_json(run.metrics, {**figures, "choice_of_k": asdict(choice), "provenance": provenance(settings.seed)})
    write_known(run, known, carried, [subgenre.name for subgenre in atlas.subgenres], trailer_ids, tuned_card["key"])
    content = _atlas_json(atlas, choice, data, key, settings.seed)
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


def _atlas_json(atlas: Atlas, choice: KChoice, data: RunData, key: str, seed: int) -> JsonObject:
    return {
        "key": key,
        "k": choice.k,
        "criterion": choice.criterion,
        "curve": [asdict(point) for point in choice.curve],
        "genres": list(data.genres),
        "modes": data.modes,
        "subgenres": [asdict(subgenre) for subgenre in atlas.subgenres],
        "provenance": provenance(seed),
    }
