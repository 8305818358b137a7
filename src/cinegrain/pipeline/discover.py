"""The discovery stage: sub-genres, figures, and everything that is known of each trailer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from cinegrain.artifacts import is_current, key_of, read_json, write_bytes, write_csv, write_json
from cinegrain.config import Settings, to_plain
from cinegrain.discovery.atlas import Atlas, build_atlas, unit_rows
from cinegrain.discovery.choose_k import KChoice, choose_k
from cinegrain.discovery.kmeans import spherical_kmeans
from cinegrain.discovery.layout import map_layout
from cinegrain.errors import DataError, StoreError
from cinegrain.explain.influence import Influence, influence_by_genre, mode_influence
from cinegrain.explain.neighbours import nearest
from cinegrain.metrics.multilabel import MultilabelScores, best_thresholds, multilabel_scores
from cinegrain.models.genre_model import GenreModel
from cinegrain.pipeline.layout import Run
from cinegrain.pipeline.progress import Watcher
from cinegrain.pipeline.provenance import provenance
from cinegrain.pipeline.train import RunData
from cinegrain.pipeline.words import best_words, term_counts, trailer_concepts
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.training.checkpoint import load_model
from cinegrain.training.infer import encode_all, genre_probabilities
from cinegrain.types import Float64, JsonObject

_N_NEIGHBOURS = 5
_N_WORDS = 8
_TABLE_COLUMNS = ("trailer_id", "title", "genres", "predicted_genres", "subgenre_id", "subgenre", "distance")


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
        StoreError: If a model is missing.
        DataError: If there are too few films.
    """
    coarse, coarse_card = load_model(run.coarse)
    finetuned, tuned_card = load_model(run.finetuned)
    text = [(t.trailer_id, t.title, t.year, sorted(t.text.items())) for t in data.trailers]
    key = key_of("atlas", tuned_card["key"], settings.seed, to_plain(settings.discover), text)
    if is_current(run.atlas, key):
        return key
    run.atlas.unlink(missing_ok=True)
    everything = np.arange(len(data.trailers))
    encoded = encode_all(finetuned, data.arrays, everything).double().numpy()
    points = unit_rows(encoded)
    dataset = EmbeddingDataset(run.dataset)
    concepts = trailer_concepts(dataset, data.modalities)
    with watcher.stage("Sub-genres") as on_step:
        choice = choose_k(points, len(data.genres), settings.discover, seed=settings.seed, on_step=on_step)
        clustering = spherical_kmeans(points, choice.k, seed=settings.seed, restarts=settings.discover.restarts)
        atlas = build_atlas(
            encoded,
            clustering,
            trailer_ids=[t.trailer_id for t in data.trailers],
            genres=data.genres,
            labels=data.labels,
            modes=[data.modalities[name] for name in data.arrays.experts],
            terms=term_counts(data.trailers, concepts, settings.discover.text_columns),
            seeds=[settings.seed + i for i in range(1, settings.discover.stability_seeds)],
            restarts=settings.discover.restarts,
        )
        layout = map_layout(points, seed=settings.seed)
    influence = _influence(coarse, data)
    probabilities = genre_probabilities(coarse, encode_all(coarse, data.arrays, everything))
    thresholds = np.asarray(coarse_card["thresholds"])
    write_bytes(run.centroids, save({"encoded": encoded.astype(np.float32), "centroids": clustering.centroids}))
    rows = _trailer_rows(data, dataset, probabilities, thresholds, influence, atlas, encoded, layout, concepts)
    for row, part in zip(rows, _parts(coarse_card, rows), strict=True):
        row["split"] = part
    write_json(run.trailers, rows)
    write_csv(run.table, _TABLE_COLUMNS, map(_table_row, rows))
    write_json(run.metrics, _metrics(data, coarse, finetuned, coarse_card, tuned_card, influence, choice))
    write_json(run.atlas, _atlas_json(atlas, choice, key, settings.seed))
    return key


def load_corpus(run: Run) -> Corpus:
    """Vectors of a finished run.

    Raises:
        StoreError: If discovery has not been run.
    """
    rows = read_json(run.trailers)
    try:
        arrays = load_file(run.centroids)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{run.centroids} cannot be read: {error}. Run `cinegrain discover` again.") from error
    ids = tuple(row["trailer_id"] for row in rows)
    return Corpus(ids, arrays["encoded"].astype(np.float64), arrays["centroids"].astype(np.float64))


def _influence(model: GenreModel, data: RunData) -> Influence:
    parts = [
        mode_influence(model, data.arrays.batch(rows))
        for rows in np.array_split(np.arange(len(data.trailers)), -(-len(data.trailers) // 64))
    ]
    return Influence(np.concatenate([p.values for p in parts]), np.concatenate([p.full for p in parts]), parts[0].empty)


def _parts(card: JsonObject, rows: Sequence[JsonObject]) -> list[str]:
    part_of = {trailer_id: part for part, ids in card["split"].items() for trailer_id in ids}
    return [part_of.get(row["trailer_id"], "unlabelled") for row in rows]


def _trailer_rows(
    data: RunData,
    dataset: EmbeddingDataset,
    probabilities: Float64,
    thresholds: Float64,
    influence: Influence,
    atlas: Atlas,
    encoded: Float64,
    layout: Float64,
    concepts: dict[str, dict[str, dict[str, float]]],
) -> list[JsonObject]:
    modes = [data.modalities[name] for name in data.arrays.experts]
    records = {record.trailer_id: record for record in dataset.trailers}
    present = np.stack([np.diff(a.offsets) > 0 for a in data.arrays.experts.values()], axis=1)
    distances = 1 - unit_rows(encoded) @ atlas.clustering.centroids.T
    rows = []
    for i, trailer in enumerate(data.trailers):
        cluster = int(atlas.clustering.labels[i])
        subgenre = atlas.subgenres[cluster]
        near = nearest(encoded[i], encoded, top_k=_N_NEIGHBOURS, exclude=[i])
        rows.append(
            {
                "trailer_id": trailer.trailer_id,
                "title": trailer.title,
                "year": trailer.year,
                "genres": list(trailer.genres),
                "duration_s": records[trailer.trailer_id].duration_s,
                "n_scenes": records[trailer.trailer_id].n_scenes,
                "flags": list(records[trailer.trailer_id].flags),
                "missing": [mode for mode, there in zip(modes, present[i], strict=True) if not there],
                "predicted": [
                    {
                        "name": genre,
                        "probability": float(probabilities[i, j]),
                        "decided": bool(probabilities[i, j] >= thresholds[j]),
                        "influence": dict(zip(modes, influence.values[i, :, j].tolist(), strict=True)),
                    }
                    for j, genre in enumerate(data.genres)
                ],
                "subgenre": {"id": subgenre.id, "name": subgenre.name, "distance": float(distances[i, cluster])},
                "concepts": {
                    mode: [asdict(word) for word in best_words(words, _N_WORDS)]
                    for mode, words in concepts.get(trailer.trailer_id, {}).items()
                },
                "neighbours": [{"trailer_id": data.trailers[n.row].trailer_id, "score": n.score} for n in near],
                "map": [float(layout[i, 0]), float(layout[i, 1])],
            }
        )
    return rows


def _table_row(row: JsonObject) -> JsonObject:
    return {
        "trailer_id": row["trailer_id"],
        "title": row["title"],
        "genres": "|".join(row["genres"]),
        "predicted_genres": "|".join(g["name"] for g in row["predicted"] if g["decided"]),
        "subgenre_id": row["subgenre"]["id"],
        "subgenre": row["subgenre"]["name"],
        "distance": f"{row['subgenre']['distance']:.4f}",
    }


def _metrics(
    data: RunData,
    coarse: GenreModel,
    finetuned: GenreModel,
    coarse_card: JsonObject,
    tuned_card: JsonObject,
    influence: Influence,
    choice: KChoice,
) -> JsonObject:
    position = {t.trailer_id: i for i, t in enumerate(data.trailers)}
    test, val = (
        np.array([position[t] for t in coarse_card["split"][part] if t in position], dtype=np.int64)
        for part in ("test", "val")
    )
    if not len(test) or not len(val):
        raise DataError("The films held back are no longer in the run. Train again with `cinegrain train`.")

    def scores(model: GenreModel) -> MultilabelScores:
        on_val, on_test = (genre_probabilities(model, encode_all(model, data.arrays, part)) for part in (val, test))
        return multilabel_scores(data.labels[test], on_test, best_thresholds(data.labels[val], on_val), data.genres)

    modes = [data.modalities[name] for name in data.arrays.experts]
    by_genre = influence_by_genre(influence, data.labels)  # (e, g)
    return {
        "n_films": len(data.trailers),
        "n_labelled": len(data.labelled),
        "n_genres": len(data.genres),
        "films_by_genre": dict(zip(data.genres, data.labels.sum(axis=0).tolist(), strict=True)),
        "genres_left_out": data.left_out,
        "split": {part: len(ids) for part, ids in coarse_card["split"].items()},
        "coarse": asdict(scores(coarse)),
        "finetuned": asdict(scores(finetuned)),
        "influence": {
            genre: dict(zip(modes, by_genre[:, j].tolist(), strict=True)) for j, genre in enumerate(data.genres)
        },
        "history": {"coarse": coarse_card["history"], "finetuned": tuned_card["history"]},
        "best_epoch": coarse_card["best_epoch"],
        "choice_of_k": asdict(choice),
        "provenance": coarse_card["provenance"],
    }


def _atlas_json(atlas: Atlas, choice: KChoice, key: str, seed: int) -> JsonObject:
    return {
        "key": key,
        "k": choice.k,
        "criterion": choice.criterion,
        "curve": [asdict(point) for point in choice.curve],
        "subgenres": [asdict(subgenre) for subgenre in atlas.subgenres],
        "provenance": provenance(seed),
    }


def atlas_names(path: Path) -> list[JsonObject]:
    """The cards of a run's sub-genres."""
    found: list[JsonObject] = read_json(path)["subgenres"]
    return found
