"""A finished run with two experts in each of two modalities, from planted vectors and words."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from cinegrain.config import Settings, load_settings, save_settings
from cinegrain.pipeline.discover import discover
from cinegrain.pipeline.learning.train import fine_tune, load_data, train
from cinegrain.runs.catalog import Matched, load_matched, save_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.settings import DiscoverSettings, FinetuneSettings, ModelSettings, TrainSettings
from cinegrain.store.schema import EmbeddedTrailer, SceneRow, StoredExpert, TrailerRecord
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import Concept, SceneEmbedding, Trailer

MODALITY_OF = {"ears": "audio", "eyes": "image", "more_ears": "audio", "more_eyes": "image"}
DIMENSIONS = {"ears": 6, "eyes": 8, "more_ears": 5, "more_eyes": 7}
GENRES = ("Comedy", "Horror", "War")
N_FILMS, N_KINDS, N_SCENES = 120, 6, 2
DEAF = "0"
"""Film without either expert of sound."""
HALF_DEAF = "1"
"""Film that `more_ears` has nothing for."""


def two_experts_run(folder: Path) -> Run:
    """Six sub-genres of three genres. `more_ears` tells most, so what it says must not be lost."""
    rng = np.random.default_rng(0)
    run = Run.open(folder / "run", create=True)
    kinds = np.arange(N_FILMS) % N_KINDS
    vectors = {}
    for name, d in DIMENSIONS.items():
        strength = 2.0 if name == "more_ears" else 0.7
        centres = rng.normal(size=(N_KINDS // 2, d)).repeat(2, axis=0) + rng.normal(size=(N_KINDS, d))
        vectors[name] = strength * centres[kinds] + 0.7 * rng.normal(size=(N_FILMS, d))
    trailers, stored = [], []
    for i, kind in enumerate(kinds.tolist()):
        id_ = f"{i}"
        trailers.append(Trailer(id_, folder / f"{id_}.mp4", f"Film {id_}", (GENRES[kind // 2],), 1950 + i % 60))
        record = TrailerRecord(id_, f"{folder}/{id_}.mp4", id_, 1, 1, 10.0, N_SCENES, (), tuple(MODALITY_OF))
        scenes = [SceneRow(number, float(number), number + 1.0) for number in range(N_SCENES)]
        absent = {DEAF: ("ears", "more_ears"), HALF_DEAF: ("more_ears",)}.get(id_, ())
        seen = {name: vectors[name][i] for name in MODALITY_OF if name not in absent}
        stored.append(EmbeddedTrailer(record, scenes, embeddings(seen, kind)))
    experts = [
        StoredExpert(name, MODALITY_OF[name], d, "vectors", name, licence="as given", citation="as given", key=name)
        for name, d in DIMENSIONS.items()
    ]
    writer = DatasetWriter(run.dataset, experts=experts, settings={})
    writer.append_many(stored)
    save_matched(run.catalog, Matched(tuple(sorted(trailers, key=lambda t: t.trailer_id)), ()))
    settings = Settings()
    settings = replace(
        settings,
        extract=replace(settings.extract, experts=",".join(DIMENSIONS)),
        model=ModelSettings(hidden_dim=8, ensemble_size=2, dropout=0.1),
        train=TrainSettings(epochs=20, learning_rate=5e-3),
        finetune=FinetuneSettings(epochs=1),
        discover=DiscoverSettings(n_clusters=N_KINDS, max_clusters=6),
    )
    save_settings(settings, run.folder)
    data = load_data(run, load_matched(run.catalog).trailers, tuple(DIMENSIONS))
    settings = load_settings(run.settings)
    train(run, data, settings, Silent())
    fine_tune(run, data, settings, Silent())
    discover(run, data, settings, Silent())
    return run


def embeddings(seen: Mapping[str, np.ndarray], kind: int) -> dict[str, list[SceneEmbedding | None]]:
    """Every scene's vector is the film's; both experts of a modality recognise `Music`, and each a word of its own."""
    found: dict[str, list[SceneEmbedding | None]] = {name: [None] * N_SCENES for name in MODALITY_OF}
    for name, vector in seen.items():
        shared = Concept("Music", 0.25 if name in ("ears", "eyes") else 0.5)
        words = shared, Concept(f"{name} {kind}", 0.125)
        found[name] = [SceneEmbedding(vector.astype(np.float32), words)] * N_SCENES
    return found


def film_without_a_file(name: str, kind: int) -> dict[str, np.ndarray]:
    """Vectors of a film never seen."""
    rng = np.random.default_rng(kind)
    return {expert: rng.normal(size=d) for expert, d in DIMENSIONS.items() if name != "half" or expert != "more_ears"}
