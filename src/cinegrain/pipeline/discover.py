"""The discovery stage: sub-genres, and everything that is known of each trailer."""

from dataclasses import asdict, dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from cinegrain.artifacts import is_current, key_of, read_json, write_bytes, write_csv, write_json
from cinegrain.config import Settings, to_plain
from cinegrain.discovery.atlas import Atlas, build_atlas, unit_rows
from cinegrain.discovery.choose_k import KChoice, choose_k
from cinegrain.discovery.clusterers import make_clusterer
from cinegrain.discovery.layout import map_layout
from cinegrain.discovery.stability import repeat_search, stability, with_calibrated_membership
from cinegrain.errors import StoreError
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.measure import measure
from cinegrain.pipeline.progress import Watcher
from cinegrain.pipeline.provenance import provenance
from cinegrain.pipeline.rows import TABLE_COLUMNS, Found, table_row, trailer_rows
from cinegrain.pipeline.train import RunData
from cinegrain.pipeline.words import term_counts, trailer_concepts
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.checkpoint import load_model
from cinegrain.training.infer import encode_all
from cinegrain.types import Float64, JsonObject


@dataclass(frozen=True, eq=False)
class Corpus:
    """What new films are compared with.

    Attributes:
        trailer_ids: Length n.
        encoded: Gated vectors, shape (n, e, d).
        centroids: Centres of the sub-genres, unit rows, shape (k, e * d).
    """

    trailer_ids: tuple[str, ...]
    encoded: Float64
    centroids: Float64


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
    key = key_of("atlas", data.key, tuned_card["key"], settings.seed, to_plain(settings.discover), text)
    if is_current(run.atlas, key):
        return key
    run.atlas.unlink(missing_ok=True)  # written last again: whoever sees it sees all of this stage
    encoded = encode_all(finetuned, data.arrays, data.everything).double().numpy()
    points = unit_rows(encoded)
    dataset = EmbeddingDataset(run.dataset)
    concepts = trailer_concepts(dataset, data.modalities)
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
        atlas = build_atlas(
            encoded,
            clustering,
            trailer_ids=[t.trailer_id for t in data.trailers],
            genres=data.genres,
            labels=data.labels,
            modes=data.modes,
            terms=term_counts(data.trailers, concepts, settings.discover.text_columns),
            stability=stability(clustering.labels, repeats),
        )
        layout = map_layout(points, seed=settings.seed)
    found = Found(atlas, encoded, layout, concepts)
    rows, influence = trailer_rows(data, dataset, coarse, coarse_card, found)
    write_bytes(run.embeddings, save({"encoded": encoded.astype(np.float32), "centroids": clustering.centroids}))
    write_json(run.trailers, rows)
    write_csv(run.table, TABLE_COLUMNS, map(table_row, rows))
    figures = measure(data, (coarse, coarse_card), (finetuned, tuned_card), influence)
    write_json(run.metrics, {**figures, "choice_of_k": asdict(choice), "provenance": provenance(settings.seed)})
    write_json(run.atlas, _atlas_json(atlas, choice, key, settings.seed))
    return key


def load_corpus(run: Run) -> Corpus:
    """Vectors of a finished run.

    Raises:
        StoreError: If discovery has not been run.
    """
    rows = read_json(run.trailers)
    try:
        arrays = load_file(run.embeddings)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{run.embeddings} cannot be read: {error}. Run `cinegrain discover` again.") from error
    ids = tuple(row["trailer_id"] for row in rows)
    return Corpus(ids, arrays["encoded"].astype(np.float64), arrays["centroids"].astype(np.float64))


def _atlas_json(atlas: Atlas, choice: KChoice, key: str, seed: int) -> JsonObject:
    return {
        "key": key,
        "k": choice.k,
        "criterion": choice.criterion,
        "curve": [asdict(point) for point in choice.curve],
        "subgenres": [asdict(subgenre) for subgenre in atlas.subgenres],
        "provenance": provenance(seed),
    }
