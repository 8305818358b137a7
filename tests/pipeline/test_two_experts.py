"""Two experts in each of two modalities: no answer, page or export may lose one of them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from tests.pipeline.conftest import Cinegrain
from tests.pipeline.two_experts_run import (
    DEAF,
    HALF_DEAF,
    MODALITY_OF,
    N_FILMS,
    N_SCENES,
    embeddings,
    film_without_a_file,
    two_experts_run,
)

from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.errors import StoreError
from cinegrain.pipeline.answers.answer import Answers
from cinegrain.pipeline.export.exported import ExportedModel
from cinegrain.pipeline.learning.ablation_figures import ablation_figures
from cinegrain.pipeline.learning.trained import load_trained
from cinegrain.pipeline.report import make_report
from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Silent
from cinegrain.search.library import open_library
from cinegrain.search.word_search import find_words
from cinegrain.store.schema import EmbeddedTrailer, SceneRow, TrailerRecord
from cinegrain.web.server import make_app

MODALITIES = ["audio", "image"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return two_experts_run(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def answers(run: Run) -> Answers:
    return Answers(run)


def new_film(name: str) -> EmbeddedTrailer:
    record = TrailerRecord(name, f"/films/{name}.mp4", name, 1, 1, 2.0, N_SCENES, (), tuple(MODALITY_OF))
    scenes = tuple(SceneRow(number, float(number), number + 1.0) for number in range(N_SCENES))
    return EmbeddedTrailer(record, scenes, embeddings(film_without_a_file(name, 3), 3))


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def check_influence(genre: dict[str, Any], nothing: float) -> None:
    """Over experts, and over modalities, influence adds up to the logit less that of no expert at all."""
    by_expert, by_modality = genre["influence_by_expert"], genre["influence"]
    assert list(by_modality) == MODALITIES
    assert list(by_expert) == list(MODALITY_OF)
    for modality in MODALITIES:
        own = [value for expert, value in by_expert.items() if MODALITY_OF[expert] == modality]
        assert by_modality[modality] == pytest.approx(sum(own), abs=1e-12)
    assert sum(by_modality.values()) == pytest.approx(logit(genre["probability"]) - nothing, abs=1e-4)


@pytest.fixture(scope="module")
def nothing(run: Run) -> dict[str, float]:
    """Calibrated logit of each genre without any expert, straight from the network."""
    trained = load_trained(run)
    batch = trained.data.arrays.batch(np.arange(1)).keep_experts(
        {name: torch.zeros(1, dtype=torch.bool) for name in MODALITY_OF}
    )
    with torch.inference_mode():
        raw = trained.model(batch).double().numpy()
    probabilities = trained.calibration.apply_logits(raw)[0].tolist()
    return {genre: logit(p) for genre, p in zip(trained.data.genres, probabilities, strict=True)}


def test_influence_adds_up_in_every_answer(run: Run, answers: Answers, nothing: dict[str, float]) -> None:
    for film in (answers.film("7"), answers.film(DEAF), answers.film(HALF_DEAF), answers.as_film(new_film("half"))):
        for genre in answers.predict(film, top_k=2).to_dict()["genres"]:
            check_influence(genre, nothing[genre["name"]])
    rows = read_json(run.trailers)
    assert len(rows) == N_FILMS
    for row in rows:
        for genre in row["predicted"]:
            check_influence(genre, nothing[genre["name"]])


def test_a_modality_is_missing_where_both_of_its_experts_are(run: Run, answers: Answers) -> None:
    missing = {row["trailer_id"]: row["missing"] for row in read_json(run.trailers)}
    assert {name for name, some in missing.items() if some} == {DEAF}
    assert missing[DEAF] == ["audio"]
    deaf, half = (answers.predict(answers.film(name), top_k=1) for name in (DEAF, HALF_DEAF))
    assert deaf.missing == ("audio",)
    assert "based only on image" in deaf.unsure_because
    assert all(genre.influence["audio"] == 0 for genre in deaf.genres)
    assert half.missing == ()
    assert all(genre.influence_by_expert["more_ears"] == 0 != genre.influence["audio"] for genre in half.genres)
    assert deaf.strangeness
    assert deaf.strangeness.to_dict()["modes"]["audio"] is None
    assert half.strangeness
    assert half.strangeness.by_modality["audio"] == half.strangeness.by_expert["ears"]


def test_the_exported_model_says_the_same(
    run: Run, answers: Answers, tmp_path: Path, cinegrain_here: Cinegrain
) -> None:
    assert cinegrain_here("export", run.folder, "--out", tmp_path / "model").code == 0
    model = ExportedModel(tmp_path / "model")
    for name in ("whole", "half"):
        mine, other = answers.predict(answers.as_film(new_film(name)), top_k=1), model.answer_to(new_film(name))
        assert other.missing == mine.missing == ()
        assert other.strangeness
        assert mine.strangeness
        assert other.strangeness.by_expert == pytest.approx(mine.strangeness.by_expert, abs=1e-4)
        assert other.unsure_because == mine.unsure_because
        for a, b in zip(mine.genres, other.genres, strict=True):
            assert b.influence_by_expert == pytest.approx(a.influence_by_expert, abs=1e-4)
            assert b.to_dict()["influence"] == pytest.approx(a.to_dict()["influence"], abs=1e-4)


def test_films_are_alike_by_both_experts_of_a_modality(run: Run, answers: Answers, cinegrain_here: Cinegrain) -> None:
    atlas = open_atlas(run)
    audio = [i for i, modality in enumerate(MODALITY_OF.values()) if modality == "audio"]
    seven = atlas.trailer_ids.index("7")
    joint = atlas.encoded[:, audio].reshape(N_FILMS, -1)
    lengths = np.linalg.norm(joint, axis=1)
    with np.errstate(invalid="ignore"):
        cosine = joint @ joint[seven] / (lengths * lengths[seven])
    order = [i for i in np.argsort(-cosine) if i != seven and lengths[i] > 0][:5]
    done = cinegrain_here("similar", run.folder, "7", "--by", "audio", "--top-k", 5, "--json")
    near = done.json["neighbours"]
    assert [n["trailer_id"] for n in near] == [atlas.trailer_ids[i] for i in order]
    assert [n["score"] for n in near] == pytest.approx(cosine[order], abs=1e-6)
    assert all(n["modes"] == {"audio": pytest.approx(n["score"])} for n in near)
    assert cinegrain_here("similar", run.folder, "7", "--by", "image").code == 0
    assert cinegrain_here("similar", run.folder, DEAF, "--by", "audio").code == 1
    with pytest.raises(StoreError, match="no motion"):
        answers.similar(answers.film("7"), top_k=1, modality="motion")
    for n in cinegrain_here("similar", run.folder, "7", "--json").json["neighbours"]:
        assert list(n["modes"]) == MODALITIES
        assert sum(n["modes"].values()) == pytest.approx(n["score"], abs=1e-6)
    sub_genre = answers.predict(answers.film("7"), top_k=1).sub_genre
    assert sub_genre
    assert sum(sub_genre.by_modality.values()) == pytest.approx(1 - sub_genre.distance, abs=1e-6)


def test_words_of_both_experts_are_kept_and_the_surer_one_counts(run: Run, answers: Answers) -> None:
    row = next(row for row in read_json(run.trailers) if row["trailer_id"] == "7")
    words = {word["name"]: word["score"] for word in row["concepts"]["audio"]}
    assert words == {"Music": pytest.approx(0.5), "ears 1": pytest.approx(0.125), "more_ears 1": pytest.approx(0.125)}
    new = answers.as_film(new_film("whole")).words["audio"]
    assert {c.name: c.score for c in new} == {"Music": 0.5, "ears 3": 0.125, "more_ears 3": 0.125}
    half = answers.as_film(new_film("half")).words["audio"]
    assert {c.name: c.score for c in half} == {"Music": 0.25, "ears 3": 0.125}
    library = open_library(run, Silent())
    heard = find_words(library, ["music"])
    for id_, score in (("7", 0.5), (HALF_DEAF, 0.25)):
        by_mode = {row.modality: row.score for row in heard.reasons(library.number[id_])}
        assert by_mode == {"audio": score, "image": 0.5}, "search measures a word as the rows do"
    found = open_atlas(run)
    named = {term.word for card in found.cards for term in card.terms}
    assert {name.split()[0] for name in named} >= {"ears", "more_ears", "eyes", "more_eyes"}
    for card in found.cards:
        assert list(card.by_modality) == MODALITIES
        assert sum(card.by_modality.values()) == pytest.approx(1)


def test_the_explorers_pages(run: Run) -> None:
    with TestClient(make_app(run), base_url="http://127.0.0.1:1") as client:

        def get(path: str, **asked: str) -> Any:
            answer = client.get(f"/api/v1/{path}", params=asked)
            assert answer.status_code == 200, answer.text
            return answer.json()

        shown = get("run")
        assert shown["modes"] == MODALITIES
        rows = {row["trailer_id"]: row for row in read_json(run.trailers)}
        points = get("points")
        for id_, mode in zip(points["id"], points["mode"], strict=True):
            likeliest = max(rows[id_]["predicted"], key=lambda genre: float(genre["probability"]))
            most = max(MODALITIES, key=likeliest["influence"].get)
            assert mode == (MODALITIES.index(most) if likeliest["influence"][most] > 0 else -1)
        film = get("film", id="7")
        assert film["predicted"] == sorted(rows["7"]["predicted"], key=lambda genre: -genre["probability"])
        assert all(sum(n["modes"].values()) == pytest.approx(n["score"], abs=1e-6) for n in film["similar"])
        assert get("film/similar", id="7", mode="audio")[0]["modes"].keys() == {"audio"}
        for scene in get("film/timeline", id="7"):
            assert [word["name"] for word in scene["words"]["audio"]] == ["Music", "ears 1", "more_ears 1"]
            assert scene["words"]["audio"][0]["score"] == 0.5
        why = get("pair", a="7", b="13")
        assert sum(why["modes"].values()) == pytest.approx(why["score"], abs=1e-6)
        atlas = open_atlas(run)
        for modality, cosine in why["cosines"].items():
            own = [i for i, name in enumerate(MODALITY_OF.values()) if name == modality]
            a, b = (atlas.encoded[atlas.trailer_ids.index(id_), own].ravel() for id_ in ("7", "13"))
            assert cosine == pytest.approx(a @ b / math.sqrt((a @ a) * (b @ b)), abs=1e-9)
        assert get("pair", a="7", b=DEAF)["cosines"]["audio"] is None
        genre = get("genre", name="War")
        war = [row["predicted"][2]["influence"] for row in rows.values() if row["catalog_genres"] == ["War"]]
        assert genre["modes"] == {m: pytest.approx(np.mean([one[m] for one in war])) for m in MODALITIES}
        ids = [card["id"] for card in shown["subgenres"][:2]]
        both = get("compare", kind="subgenre", a=ids[0], b=ids[1])["why"]
        assert sum(both["modes"].values()) == pytest.approx(both["score"], abs=1e-6)
        assert get("figures")["influence"].keys() == {"Comedy", "Horror", "War"}


def test_rows_of_an_earlier_version_are_shown_with_influence_by_modality_alone(run: Run) -> None:
    rows = read_json(run.trailers)
    old = read_json(run.trailers)
    for row in old:
        for genre in row["predicted"]:
            del genre["influence_by_expert"]
    write_json(run.trailers, old)
    try:
        with TestClient(make_app(run), base_url="http://127.0.0.1:1") as client:
            assert client.get("/api/v1/film", params={"id": "7"}).json()["predicted"][0]["influence"]
            assert list(client.get("/api/v1/genre", params={"name": "War"}).json()["modes"]) == MODALITIES
        make_report(run, Silent())
    finally:
        write_json(run.trailers, rows)


def test_figures_search_report_evaluation_and_ablation(run: Run, cinegrain_here: Cinegrain) -> None:
    metrics = read_json(run.metrics)
    for genre, by_expert in metrics["influence_by_expert"].items():
        assert list(by_expert) == list(MODALITY_OF)
        for modality, value in metrics["influence"][genre].items():
            own = sum(by_expert[expert] for expert in by_expert if MODALITY_OF[expert] == modality)
            assert value == pytest.approx(own, abs=1e-12)
    done = cinegrain_here("search", run.folder, "--like", "7", "--weights", "audio=1", "--json")
    assert done.code == 0, done.err
    assert done.json["films"][0]["modes"].keys() == {"audio"}
    for command in (["predict", "7"], ["report"], ["evaluate"], ["atlas", "show"]):
        verb, *rest = command
        args = [verb, *rest[:1], run.folder, *rest[1:]] if verb == "atlas" else [verb, run.folder, *rest]
        done = cinegrain_here(*args)
        assert done.code == 0, done.err
    assert "audio" in run.report.read_text(encoding="utf-8")
    results = [{"seed": 0, "subset": subset, "ap": [0.5, 0.5, 0.5]} for subset in range(1, 2 ** len(MODALITY_OF))]
    figures = ablation_figures(load_trained(run), results)
    assert figures["modes"] == list(MODALITY_OF), "each expert by its own name, as two share a modality"
    assert len(figures["subsets"]) == 2 ** len(MODALITY_OF) - 1
    assert json.dumps(figures, allow_nan=False)
