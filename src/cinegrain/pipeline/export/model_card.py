"""The README of an exported model."""

from cinegrain.report.document import Table, markdown_table
from cinegrain.report.words import SMALL_TEST, count, listed, number
from cinegrain.types import JsonObject


def model_card(description: JsonObject) -> str:
    """Purpose, figures, data and licences, from the content of model.json."""
    figures = description["figures"]
    parts = [
        "# Film genres from trailers",
        f"Predicts {count(len(description['genres']), 'genre')} of films with calibrated probabilities, from vectors "
        f"of {count(len(description['experts']), 'frozen network')}. Exported by Cinegrain "
        f"{description['provenance']['cinegrain']}.",
        "## Use",
        "```sh\ncinegrain predict THIS_FOLDER film.mp4\n```",
        "PyTorch is not needed. `model.onnx` computes logits from each expert's mean scene vector and a mask of "
        "present experts; `model.json` has genres, thresholds, calibration and experts with versions; `inputs.json` "
        "the mean and standard deviation of the training vectors; `familiar.safetensors` vectors of training films, to "
        "recognise films unlike them.",
        "## Intended use",
        'Suggesting genres to people who decide, and searching a catalogue. It answers "not sure" if no genre reaches '
        "its threshold, if most modalities are missing, or if the film is less familiar than "
        f"{100 * description['strangeness']['quantile']:.0f} % of the validation films.",
        "## Figures",
        _scores(figures),
        markdown_table(_genres(figures)),
        "## Data",
        _data(figures),
        "## Limits",
        "Genres are those of one catalogue; others differ. The figures apply to films like the training films: the "
        "same kind of video, experts and settings. Probabilities are calibrated for the frequencies of genres among "
        "those films. Novelty detects films with unusual vectors, not every film of an unknown genre. Do not use it "
        "for decisions about people.",
        "## Experts",
        markdown_table(_experts(description)),
        "The folder contains vectors of training films. Share it only if the rights in those films allow it.",
    ]
    return "\n\n".join(parts) + "\n"


def _scores(figures: JsonObject) -> str:
    low, high = figures["map_low"], figures["map_high"]
    interval = f" (95 % interval {number(low)} to {number(high)})" if low is not None else ""
    few = " With so few films, these figures are rough." if figures["n_films"] < SMALL_TEST else ""
    return (
        f"On {count(figures['n_films'], 'held-out film')}: macro mAP {number(figures['map_macro'])}{interval}"
        f", chance {number(figures['map_chance'])}; micro F1 {number(figures['f1_micro'])}; expected calibration error "
        f"{number(figures['calibration']['calibrated']['ece'], 3)}.{few}"
    )


def _genres(figures: JsonObject) -> Table:
    rows = []
    for genre in figures["genres"]:
        found = genre["intervals"]
        interval = "–".join(map(number, found["ap"])) if found else "–"
        rows.append((genre["genre"], genre["n_positive"], genre["ap"], interval, genre["f1"], genre["threshold"]))
    return Table(("genre", "test films", "AP", "95 %", "F1", "threshold"), tuple(rows))


def _data(figures: JsonObject) -> str:
    parts = figures["n_films_by_part"]
    left_out = f" No test film has {listed(figures['left_out'])}." if figures["left_out"] else ""
    return (
        f"{count(parts['train'], 'film')} for training, {parts['val']} for thresholds and calibration, "
        f"{parts['test']} for testing; split by title.{left_out}"
    )


def _experts(description: JsonObject) -> Table:
    rows = tuple(
        (
            *(card["name"], card["modality"], card["dimension"], str(card.get("version", "")), card["licence"]),
            f"substitute for {card['substitute_for']}" if card["substitute"] else "",
        )
        for card in description["experts"]
    )
    return Table(("expert", "mode", "numbers a scene", "version", "licence", "note"), rows)
