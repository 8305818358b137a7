"""The README of an exported model."""

from cinegrain.report.document import Table, markdown_table
from cinegrain.report.words import SMALL_TEST, count, listed, number
from cinegrain.types import JsonObject


def model_card(description: JsonObject) -> str:
    """What it does, how well, on what, under which licences; from what its model.json holds."""
    figures = description["figures"]
    parts = [
        "# Film genres from trailers",
        f"Gives {count(len(description['genres']), 'genre')} to a film, with calibrated probabilities, from what "
        f"{count(len(description['experts']), 'frozen network')} see and hear in its scenes. Exported by Cinegrain "
        f"{description['provenance']['cinegrain']}.",
        "## Use",
        "```sh\ncinegrain predict THIS_FOLDER film.mp4\n```",
        "PyTorch is not needed. `model.onnx` takes the mean scene vector of each expert and which are present, and "
        "gives logits; `model.json` holds genres, thresholds, calibration and the experts with their versions; "
        "`inputs.json` the mean and deviation of the vectors it learned from; `familiar.safetensors` vectors of "
        "training films, by which a film unlike all of them is told.",
        "## Intended use",
        'Suggesting genres for films to people who have the last word, and searching a catalogue. It answers "not '
        'sure" where no genre reaches its threshold, where most modes are missing, or where the film is stranger than '
        f"{100 * description['strangeness']['quantile']:.0f} % of the validation films.",
        "## Figures",
        _scores(figures),
        markdown_table(_genres(figures)),
        "## Data",
        _data(figures),
        "## Limits",
        "Genres are what one catalogue called so; another will differ. The figures hold for films like those it "
        "learned from: same kind of video, same experts, same settings. Probabilities are calibrated for the share of "
        "each genre among those films. Strangeness finds films whose vectors stand apart, not every film of an "
        "unknown genre. It must not decide about people.",
        "## Experts",
        markdown_table(_experts(description)),
        "Vectors of training films are inside: share this folder only as those films' rights allow.",
    ]
    return "\n\n".join(parts) + "\n"


def _scores(figures: JsonObject) -> str:
    low, high = figures["map_low"], figures["map_high"]
    interval = f" (95 % interval {number(low)} to {number(high)})" if low is not None else ""
    few = " These are few films: a rough sign." if figures["n_films"] < SMALL_TEST else ""
    return (
        f"On {count(figures['n_films'], 'film')} that it never saw: macro mAP {number(figures['map_macro'])}{interval}"
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
    left_out = f" No test film has {listed(figures['left_out'])}: no figure there." if figures["left_out"] else ""
    return (
        f"{count(parts['train'], 'film')} to learn from, {parts['val']} to choose thresholds and calibration, "
        f"{parts['test']} to test; split by title.{left_out}"
    )


def _experts(description: JsonObject) -> Table:
    rows = tuple(
        (
            *(card["name"], card["modality"], card["dimension"], str(card.get("version", "")), card["licence"]),
            f"stands in for {card['substitute_for']}" if card["substitute"] else "",
        )
        for card in description["experts"]
    )
    return Table(("expert", "mode", "numbers a scene", "version", "licence", "note"), rows)
