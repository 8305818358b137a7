"""Write docs/results from the JSON in benchmarks/results.

    python benchmarks/report_results.py [--out FOLDER]

Other pages of docs/results are kept by hand and say so.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"

Row = Mapping[str, Any]
Cell = str | Callable[[Row], str]


def table(rows: Iterable[Row], columns: Mapping[str, Cell]) -> str:
    """A Markdown table; a cell is the name of a value or a function of the row."""
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (cell(row) if callable(cell) else _text(row.get(cell)) for cell in columns.values())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def number(name: str, digits: int = 3, spread: str = "") -> Cell:
    """A figure, empty if it was not measured, with `name + spread` as its standard deviation."""

    def cell(row: Row) -> str:
        if row.get(name) is None:
            return ""
        deviation = f" ± {row[name + spread]:.{digits}f}" if spread and row.get("seeds", 1) > 1 else ""
        return f"{row[name]:,.{digits}f}{deviation}"

    return cell


def gain(name: str) -> Cell:
    """A signed difference with its 95 % interval."""
    return lambda row: (
        f"{row[name]:+.3f} ({row[f'{name}_low']:+.3f} to {row[f'{name}_high']:+.3f})" if name in row else ""
    )


def _text(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def page(title: str, about: str, files: Sequence[str], command: str, *parts: str) -> str:
    """A whole page: title, what was measured, where it comes from, then the parts."""
    links = " and ".join(f"[{file}](../../benchmarks/results/{file})" for file in files)
    source = f"Measured by `{command}`; machine and versions: {_machine(files[0])}. "
    source += f"This page is generated from {links} by `benchmarks/report_results.py`."
    return "\n\n".join([f"# {title}", about, source, *parts]) + "\n"


def _machine(file: str) -> str:
    first = rows_of(file)[0]
    first = first.get("details", first)
    own = first.get("machine", {})
    machine = dict(own) if isinstance(own, dict) else {"processor": own}
    flat = machine | machine.pop("versions", {}) | first.get("versions", {})
    flat |= {name: first[name] for name in ("python",) if name in first}
    processor = flat.pop("processor", "processor not recorded")
    cores = f", {flat.pop('cores')} cores" if "cores" in flat else ""
    note = f" ({flat.pop('note')})" if "note" in flat else ""
    flat.pop("load_1min", None)
    return ", ".join([f"{processor}{cores}{note}", *(f"{name} {version}" for name, version in flat.items())])


def rows_of(file: str) -> list[dict[str, Any]]:
    """JSON lines, or one object as the only row."""
    text = (RESULTS / file).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if file.endswith(".jsonl") else [json.loads(text)]


def by_data(
    rows: Sequence[Row], heading: Callable[[Row], str], columns: Callable[[Row], Mapping[str, Cell]]
) -> list[str]:
    """A section for each kind of data, in the order of the file."""
    parts = []
    for data in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == data]
        first = max(own, key=len)
        name = data.replace("mmtf", "MMTF-14K").replace("esc10", "ESC-10")
        parts += [f"## {name[0].upper()}{name[1:]}{heading(first)}", table(own, columns(first))]
    return parts


def _method(name: str) -> Cell:
    return lambda row: f"**{row[name]}**" if "(default)" in row[name] else str(row[name])


def discovery() -> str:
    single = {
        "method": _method("method"),
        "accuracy": number("accuracy", spread="_sd"),
        "ARI": number("ari", spread="_sd"),
        "NMI": number("nmi"),
        "ARI in genre": number("within_ari"),
        "R@1": number("recall_at_1"),
        "mAP": number("retrieval_map"),
        "genre mAP": number("genre_map"),
        "stability": number("stability"),
    }
    several = {
        "method": _method("method"),
        "AUC in genre": number("auc_in_parent", spread="_sd"),
        "gain over the best baseline": gain("gain"),
        "AUC, unseen films": number("auc_unseen", spread="_sd"),
        "gain there": gain("gain_unseen"),
        "genre mAP": number("genre_map"),
    }
    return page(
        "Finding sub-genres",
        "Methods of fine-tuning and clustering on data whose fine classes are known. All are given the same "
        "vectors, the coarse genres and the true number of clusters; fine classes are used for scoring only. Means "
        "and standard deviations over five seeds. [What finds sub-genres](../discovery.md) explains the measures "
        "and sums up. Methods 2 to 4 are no longer part of the package ([ADR "
        "32](../adr/0032-what-does-not-pay-its-way.md)).",
        ["discovery.jsonl"],
        "python benchmarks/discovery.py",
        *by_data(
            rows_of("discovery.jsonl"),
            lambda row: f" ({row['n']:,} items)",
            lambda row: several if "auc_in_parent" in row else single,
        ),
    )


def genre_models() -> str:
    columns = {
        "model": _method("model"),
        "macro mAP": number("macro_map", spread="_deviation"),
        "micro mAP": number("micro_map", spread="_deviation"),
        "CPU s": number("cpu_s", 1),
    }
    return page(
        "Genre models",
        "Ways of joining the experts, and baselines without a network. Settings of every model are chosen without the "
        "held-out films. Means and standard deviations over seeds; on the demo each seed is another split. MMTF-14K "
        "has hand-made features of real trailers. Transformer, gated units, attention and NetVLAD pooling, asymmetric "
        "loss and mixup are no longer part of the package ([ADR 32](../adr/0032-what-does-not-pay-its-way.md)). "
        "[Notes](genre-models-notes.md) say what follows.",
        ["coarse.jsonl"],
        "python benchmarks/coarse.py",
        *by_data(
            rows_of("coarse.jsonl"),
            lambda row: f" ({row['n_train']:,} training films, {row['n_held_out']:,} held out)",
            lambda _: columns,
        ),
    )


def extraction() -> str:
    details = rows_of("extraction.json")[0]["details"]
    light, paper, busy = details["light"][0], details["paper"], details["busy"]
    costs = light["cpu_s_per_minute"]
    names = {"floor": "floor: decode every frame, keep nothing", "media": "decode, cut scenes, sample, flow, sound"}
    names |= {"store": "write the dataset", "whole": "**everything, with hashing and thumbnails**"}
    parts = [
        {"part": names.get(name, f"`{name.replace(' + ', '`, `')}`"), "s": cost, "share": cost / costs["whole"]}
        for name, cost in costs.items()
    ]
    ours = [
        {"engine": name, **row, "alike": min(row["cosine"].values()), "centred": min(row["centred_cosine"].values())}
        for name, row in paper["ours"].items()
    ]
    plain = {
        "engine": "plain: one decode a feature, eager PyTorch",
        "cpu_s_per_minute": paper["plain_cpu_s_per_minute"],
    }
    return page(
        "Extraction",
        "CPU seconds for one minute of 1280x720 film at 24 frames a second.",
        ["extraction.json"],
        "python benchmarks/extraction.py",
        "## Light preset, one thread",
        table(parts, {"part": "part", "CPU s": number("s", 2), "share": lambda row: f"{row['share']:.0%}"}),
        f"Everything costs {light['whole_over_floor']:.1f} times the floor. Over {busy['films']} films, "
        f"{busy['workers']} workers kept the cores busy {busy['busy_share']:.0%} of the time.",
        "## Paper preset against a plain extractor",
        "The same networks, random weights and sampling. *Cosine* compares vectors with the plain extractor's, for the "
        "least similar expert; *centred* takes the mean over scenes away first.",
        table(
            [plain, *ours],
            {
                "engine": "engine",
                "CPU s": number("cpu_s_per_minute", 1),
                "times less": number("ratio", 1),
                "of the floor": number("over_floor", 2),
                "cosine": number("alike", 4),
                "centred": number("centred", 3),
            },
        ),
        f"The floor at fp32 is {paper['floor_cpu_s_per_minute']:.1f} s: decode once, and run all multiplications at "
        f"the rate of a large matrix product ({paper['matrix_rate_gflop_s']:.0f} GFLOP/s).",
    )


def training() -> str:
    speed = rows_of("training.json")[0]
    corpora = [rows_of(file)[0] for file in ("million-paper-dimensions.json", "million.json")]
    commands = [
        row | {"films": corpus["trailers"], "d": corpus["scale_dimensions"]}
        for corpus in corpora
        for row in corpus["rows"]
    ]
    scores = "; ".join(
        f"{row['trailers']:,} films: {row['val_map'][-1]:.3f} after {row['epochs']} epochs"
        if row["epochs"] > 1
        else f"{row['trailers']:,} films: {row['val_map'][-1]:.3f} after one epoch"
        for row in corpora
    )
    corpus = speed["corpus"]
    return page(
        "Training speed and size",
        "[Notes](training-notes.md) say how batch sizes were chosen and where the time goes.",
        ["training.json", "million.json", "million-paper-dimensions.json"],
        "python benchmarks/training.py` and `python benchmarks/million.py",
        f"## Against a plain loop ({corpus['trailers']:,} simulated films, {corpus['scenes']:,} scenes, "
        f"{corpus['dimensions']:,} numbers a scene)",
        f"Medians of {speed['rounds']} rounds, {speed['threads']} threads. *Epochs* include validation. The "
        "attention rows pool scenes, which the package no longer does.",
        table(
            speed["rows"],
            {
                "loop": "way",
                "batch": "batch",
                "films/s, steps": "trailers_per_s",
                "films/s, epochs": "epoch_trailers_per_s",
                "films per CPU s": "epoch_trailers_per_cpu_s",
                "times plain": number("times_plain_epoch_trailers_per_s", 1),
                "matrix share": number("matrix_share", 2),
                "outside share": number("outside_share", 2),
                "peak MB": "peak_mb",
            },
        ),
        "## Many films",
        "The real commands, one thread. *Own* is the process's own memory, without mapped pages. `train` also "
        f"pools the vectors. Macro mAP on validation films: {scores}.",
        table(
            commands,
            {
                "films": "films",
                "dimensions, of the paper's": lambda row: "all" if row["d"] == 1 else f"1/{1 / row['d']:.0f}",
                "command": "command",
                "CPU s": number("cpu_s", 0),
                "peak MB": "peak_mb",
                "own MB": "peak_own_mb",
            },
        ),
    )


def clustering() -> str:
    rows = rows_of("clustering.jsonl")
    first = rows[0]
    return page(
        "Clustering a million films",
        f"{first['trailers']:,} rows of {first['dimensions']} numbers ({first['rows_mb']} MB) around "
        f"{first['groups']} centres of unequal size, one thread of a busy machine. `genres` is the default, given "
        "20 genres; `assign` gives films to known centres; `repeats` are the runs that measure stability, on a "
        "sample. Gaussian, agglomerative and HDBSCAN are no longer part of the package ([ADR "
        "32](../adr/0032-what-does-not-pay-its-way.md)); faiss and mini-batch k-means never were. Measured before "
        "k-means became scikit-learn's.",
        ["clustering.jsonl"],
        "python benchmarks/clustering.py",
        table(rows, {"part": "part", "CPU s": number("cpu_s", 1), "extra MB": "extra_mb", "ARI": number("ari", 2)}),
    )


def search() -> str:
    return page(
        "Search",
        "Milliseconds a query, every film compared, one thread; simulated films of 296 numbers and 20 genres. "
        "`weights` says what the query asks for. See [ADR 22](../adr/0022-search.md).",
        ["search.jsonl"],
        "python benchmarks/search.py",
        table(rows_of("search.jsonl"), {"films": "trailers", "weights": "weights", "ms": number("ms_a_query", 0)}),
    )


def silence() -> str:
    runs = rows_of("steadiness.json")[0]["results"]
    before, after = runs["before"], runs["after"]
    kinds = [{"kind": kind, "before": before["kinds"][kind], "after": row} for kind, row in after["kinds"].items()]
    wholes = [{"measure": "films with another first genre", "b": f"{before['flips']} of {before['of']}"}]
    wholes[0]["a"] = f"{after['flips']} of {after['of']}"
    for name, title in (
        ("median_cosine", "cosine of sound vectors, median"),
        ("tenth_percentile_cosine", "cosine of sound vectors, tenth percentile"),
        ("alike", "nearest films in the same state (chance 0.495)"),
    ):
        wholes.append({"measure": title, "b": f"{before[name]:.3f}", "a": f"{after[name]:.3f}"})
    return page(
        "Silence in films",
        "Does harmless silence change a prediction? Silence is put into films of the demo and into "
        "openly licensed clips; *before* and *after* pauses were removed ahead of the audio experts ([ADR "
        "31](../adr/0031-the-sound-that-is-heard.md)). Re-encoding shows how many answers change anyway, and is "
        "not part of the totals.",
        ["steadiness.json"],
        "python benchmarks/steadiness.py",
        table(wholes, {"measure": "measure", "before": "b", "after": "a"}),
        "## Films with another first genre, by kind",
        table(
            kinds,
            {
                "kind": "kind",
                "films": lambda row: str(row["after"]["of"]),
                "before": lambda row: str(row["before"]["flips"]),
                "after": lambda row: str(row["after"]["flips"]),
            },
        ),
    )


def novelty() -> str:
    result = rows_of("strangeness-demo.json")[0]
    return page(
        "Recognising unfamiliar films",
        "Each genre of the demo is left out of training in turn. AUROC of its films (*unfamiliar*) against "
        "held-out films of the other genres (*familiar*): 1 is perfect, 0.5 is chance. Novelty is the score that "
        "`predict` uses ([ADR 18](../adr/0018-how-sure.md)).",
        ["strangeness-demo.json"],
        "python benchmarks/strangeness.py",
        table(
            [*result["rows"], {"left_out": "**mean**", **result["mean_auroc"]}],
            {
                "genre left out": "left_out",
                "unfamiliar": "n_strange",
                "familiar": "n_usual",
                "novelty": number("strangeness", 2),
                "energy": number("energy", 2),
                "highest probability": number("no likely genre", 2),
            },
        ),
    )


def audio_expert() -> str:
    result = rows_of("audio_probe.json")[0]
    rows = [{"vectors": name, **figures} for name, figures in result["accuracy"].items()]
    return page(
        "The audio expert",
        f"Accuracy of a linear probe for the ten classes of {result['data']} ({result['n']} sounds), by fold. "
        "`log-mel` takes mean and deviation of each mel band instead of a network.",
        ["audio_probe.json"],
        "python benchmarks/audio_probe.py",
        table(
            rows,
            {
                "vectors": "vectors",
                "accuracy": lambda row: f"{row['mean']:.3f} ± {row['deviation']:.3f}",
                "by fold": lambda row: ", ".join(f"{value:.3f}" for value in row["by_fold"]),
            },
        ),
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "audio-expert.md": audio_expert,
    "clustering.md": clustering,
    "discovery.md": discovery,
    "extraction.md": extraction,
    "genre-models.md": genre_models,
    "novelty.md": novelty,
    "search.md": search,
    "silence.md": silence,
    "training.md": training,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    folder = parser.parse_args().out
    for name, write in PAGES.items():
        (folder / name).write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main()
