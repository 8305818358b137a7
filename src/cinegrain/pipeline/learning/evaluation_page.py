"""An evaluation in words, tables, charts and pictures."""

from collections.abc import Mapping, Sequence

from cinegrain.report.document import Document, Section, Shot, Table
from cinegrain.report.document_figures import heat_chart, reliability_chart
from cinegrain.report.figures import Chart
from cinegrain.report.words import SMALL_TEST, count, listed, number
from cinegrain.types import JsonObject

_MEANS = (
    ("map_macro", "mAP (macro): mean over genres"),
    ("ap_micro", "AP, micro: all pairs of film and genre"),
    ("ap_weighted", "AP, weighted by films"),
    ("ap_samples", "AP, per film"),
    ("f1_micro", "F1, micro"),
    ("f1_macro", "F1, macro"),
    ("f1_weighted", "F1, weighted by films"),
)
MAX_GENRES_DRAWN = 40


def evaluation_document(figures: JsonObject, pictures: Mapping[str, bytes]) -> Document:
    """What evaluation.html and evaluation.md say.

    Args:
        figures: What evaluation.json holds.
        pictures: JPEG by trailer id, as far as there are any.
    """
    parts = figures["n_films_by_part"]
    lede = (
        f"The genre model learned from {count(parts['train'], 'film')}; its calibration and thresholds were chosen on "
        f"{count(parts['val'], 'other film')}. Everything below is about {count(figures['n_films'], 'test film')} that "
        f"played no part in either. mAP is {number(figures['map_macro'])}"
        + (f", 95 % interval {_interval(figures)}" if figures["map_low"] is not None else "")
        + f"; guessing would reach about {number(figures['map_chance'])}."
    )
    if figures["n_films"] < SMALL_TEST:
        lede += " That is few: read the figures as a rough sign."
    sections = [_means(figures), _genres(figures), _calibration(figures["calibration"]), _confusion(figures)]
    sections.append(_mistakes(figures["mistakes"], pictures))
    return Document("Cinegrain evaluation", "How good are the genres?", lede, tuple(sections))


def _interval(figures: JsonObject) -> str:
    return f"{number(figures['map_low'])} to {number(figures['map_high'])}"


def _means(figures: JsonObject) -> Section:
    left_out = figures["left_out"]
    text = f"No test film has {listed(left_out)}; they are in no mean." if left_out else "Every genre has a test film."
    intervals = figures["intervals"] or {}
    rows = tuple(
        (said, figures[key], "–".join(number(x, 3) for x in intervals[key]) if intervals else "–")
        for key, said in _MEANS
    )
    return Section("Over all genres", text, (Table(("score", "on test films", "95 %"), rows, digits=3),))


def _genres(figures: JsonObject) -> Section:
    rows = []
    for genre in figures["genres"]:
        found = genre["intervals"]
        cells: list[str | int | float | None] = [genre["genre"], genre["n_positive"]]
        for score in ("ap", "precision", "recall", "f1"):
            cells += [genre[score], "–".join(map(number, found[score]))] if found else [None, "–"]
        rows.append((*cells, genre["threshold"]))
    columns = ("genre", "test films", "AP", "95 %", "precision", "95 % ", "recall", "95 %  ", "F1", "95 %   ", "from")
    text = (
        "With 95 % intervals from 1,000 resamples of the films. A genre is decided from the probability in the last "
        "column on, the best F1 on the validation films."
    )
    return Section("Genre by genre", text, (Table(columns, tuple(rows)),))


def _calibration(found: JsonObject) -> Section:
    before, after, kinds = found["uncalibrated"], found["calibrated"], found["genres_by_kind"]
    text = (
        f"Expected calibration error {number(after['ece'], 3)}; the network's own probabilities had "
        f"{number(before['ece'], 3)}. {count(kinds['own'], 'genre')} had validation films enough for a line of "
        f"{'its' if kinds['own'] == 1 else 'their'} own (Platt), {kinds['shared']} share one temperature, "
        f"{kinds['held']} had too few, and are drawn towards the genre's share of the training films."
    )
    series = {
        "the network's own": (before["said"], before["true"]),
        "calibrated": (after["said"], after["true"]),
    }
    rows = tuple(zip(after["said"], after["true"], after["counts"], strict=True))
    table = Table(("said", "true", "pairs of film and genre"), rows, digits=3)
    chart = reliability_chart(series, "Of the pairs with a probability of 0.3, about 30 % should be true.")
    return Section("Do the probabilities mean what they say?", text, (table,), (chart,))


def _confusion(figures: JsonObject) -> Section:
    found = figures["confusion"]
    names: Sequence[str] = found["genres"]
    pairs = [
        (found["counts"][i][j], names[i], names[j], found["shares"][i][j], found["together"][i][j])
        for i in range(len(names))
        for j in range(len(names))
        if found["counts"][i][j]
    ]
    pairs.sort(key=lambda pair: -pair[0])
    rows = tuple((missed, given, n, share, together) for n, missed, given, share, together in pairs[:15])
    columns = ("missed", "wrongly given instead", "films", "share of the misses", "films of the first that have both")
    text = (
        "Row: a genre that a film has and was not given. Column: one that it was given and does not have. The figure "
        "is the share of the row's misses. Where many films have both genres, a catalogue may name only one of them."
    )
    charts: tuple[Chart, ...] = ()
    if len(names) <= MAX_GENRES_DRAWN:
        values = [
            [share if missed else None for share in row]
            for row, missed in zip(found["shares"], found["missed"], strict=True)
        ]
        charts = (
            heat_chart("Given instead", text, names, names, values, row_title="missed", column_title="wrongly given"),
        )
    return Section("Which genre for which", text, (Table(columns, rows),) if rows else (), charts)


def _mistakes(mistakes: Sequence[JsonObject], pictures: Mapping[str, bytes]) -> Section:
    text = "The wrong decisions of which the model was surest. Some will be the catalogue's."
    if mistakes and not pictures:
        text += " The run holds no pictures: it was made from vectors computed elsewhere, or the films have none."
    shots = []
    for mistake in mistakes:
        said = (
            f"{mistake['genre']} {'is given, and denied' if mistake['given'] else 'is not given, but claimed'} with "
            f"{number(mistake['probability'])}. Given: {listed(mistake['genres_given']) or 'none'}; decided: "
            f"{listed(mistake['genres_decided']) or 'none'}."
        )
        shots.append(Shot(mistake["title"], said, pictures.get(mistake["trailer_id"])))
    return Section("The worst mistakes", text if mistakes else "There is none.", shots=tuple(shots))
