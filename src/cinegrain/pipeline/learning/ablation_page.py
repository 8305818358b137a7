"""An ablation in words, tables and charts."""

from collections.abc import Sequence

from cinegrain.report.document import Document, Section, Table
from cinegrain.report.document_figures import heat_chart
from cinegrain.report.words import count, listed, number, signed
from cinegrain.types import JsonObject


def ablation_document(figures: JsonObject) -> Document:
    """What ablation.html and ablation.md say, from what ablation.json holds."""
    subsets = sorted(figures["subsets"], key=lambda subset: -subset["map"])
    best, everything = subsets[0], figures["subsets"][-1]
    deviates = (
        "The deviation is over trainings; other test films would move the figures more."
        if figures["n_seeds"] > 1
        else "One training says little of how far they scatter: `--seeds` makes more."
    )
    lede = (
        f"The genre model was trained anew on every combination of {count(len(figures['modes']), 'mode')}, "
        f"{count(figures['n_seeds'], 'time')} each, on the same films, and scored on the same "
        f"{count(figures['n_films'], 'test film')}. The best combination is {listed(best['modes'])}, macro mAP "
        f"{_with_deviation(best)}; all modes together reach {_with_deviation(everything)}. {deviates}"
    )
    return Document(
        "Cinegrain ablation",
        "Which combination helps which genre?",
        lede,
        (_combinations(figures, subsets), _genres(figures), _worth(figures)),
    )


def _with_deviation(subset: JsonObject) -> str:
    deviation = subset["map_deviation"]
    return number(subset["map"], 3) + ("" if deviation is None else f" ± {number(deviation, 3)}")


def _combinations(figures: JsonObject, subsets: Sequence[JsonObject]) -> Section:
    names = ["+".join(subset["modes"]) for subset in subsets]
    shown = [genre for genre in figures["genres"] if genre not in figures["left_out"]]
    rows = tuple((name, subset["map"], subset["map_deviation"]) for name, subset in zip(names, subsets, strict=True))
    values = [[subset["map"], *(subset["ap"][genre] for genre in shown)] for subset in subsets]
    chart = heat_chart(
        "AP of each genre",
        "Mean over trainings; the best combination is on top.",
        names,
        ["all (mAP)", *shown],
        values,
    )
    left_out = figures["left_out"]
    text = f"No test film has {listed(left_out)}; they are left out." if left_out else ""
    table = Table(("modes", "macro mAP", "deviation over trainings"), rows, digits=3)
    return Section("Every combination", text, (table,), (chart,))


def _genres(figures: JsonObject) -> Section:
    rows = tuple(
        (
            row["genre"],
            "+".join(row["modes"]),
            row["ap"],
            row["ap_of_all"],
            *(_signed(row["without"][mode]) for mode in figures["modes"]),
        )
        for row in figures["best"]
    )
    columns = ("genre", "best combination", "its AP", "AP of all", *(f"lost without {m}" for m in figures["modes"]))
    text = "Of so many combinations the best is partly the luckiest: look for what holds over several genres."
    return Section("Genre by genre", text, (Table(columns, rows),))


def _worth(figures: JsonObject) -> Section:
    found = figures["agreement"]
    text = (
        "Two answers to what a mode is worth for a genre. Retrained: its Shapley share of the AP over all networks of "
        "the ablation. Influence: its Shapley share of how far the one network with all modes moves films of the "
        "genre above other films, in logits, with a 95 % interval. The first asks what could be learned without the "
        "mode, the second what this network listens to; where two modes tell the same, they differ. Spearman's rank "
        f"correlation is {number(found['all_pairs'])} over all pairs of genre and mode, and "
        f"{number(found['within_genres'])} between modes within a genre, on average."
    )
    rows = []
    for genre, worth in figures["retrained_worth"].items():
        for mode in figures["modes"]:
            low, high = figures["influence_low"][genre][mode], figures["influence_high"][genre][mode]
            interval = f"{_signed(low)} to {_signed(high)}"
            rows.append((genre, mode, _signed(worth[mode], 3), _signed(figures["influence"][genre][mode]), interval))
    columns = ("genre", "mode", "retrained (AP)", "influence (logits)", "95 %")
    return Section("Where ablation and influence agree", text, (Table(columns, tuple(rows)),))


def _signed(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else signed(value, digits)
