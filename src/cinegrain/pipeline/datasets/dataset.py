"""Opens, summarises, verifies, describes, converts and merges embedding datasets."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from cinegrain.config import Settings
from cinegrain.errors import DataError, StoreError
from cinegrain.pipeline.datasets.convert import convert
from cinegrain.pipeline.extraction.sources import verified
from cinegrain.runs.artifacts import RUN_FILE, write_text
from cinegrain.runs.catalog import Matched, load_matched, save_matched
from cinegrain.runs.layout import Run
from cinegrain.store.location import Location
from cinegrain.store.reader import EmbeddingDataset
from cinegrain.store.schema import INFO_FILE
from cinegrain.store.verify import Verified, verify
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import Source, Trailer

CARD_FILE = "README.md"


@dataclass(frozen=True, eq=False)
class Opened:
    """A dataset, with its run and the films of its catalogue if it has a run."""

    folder: Source
    dataset: EmbeddingDataset
    run: Path | None
    films: Mapping[str, Trailer]


@dataclass(frozen=True)
class Merged:
    """Result of merging two datasets; `doubled` are ids in both, of which the first dataset's are kept."""

    folder: Path
    n_trailers: int
    doubled: tuple[str, ...]


@dataclass(frozen=True)
class ExpertSummary:
    """An expert of a dataset, and the number of trailers with its vectors."""

    name: str
    modality: str
    dimension: int
    version: int
    licence: str
    citation: str
    description: str
    substitute_for: str | None
    trailers: int


@dataclass(frozen=True)
class DatasetSummary:
    """Main figures of a dataset; `frames` are pictures decoded, `genres` and `flags` numbers of trailers."""

    dataset: str
    trailers: int
    hours: float
    scenes: int
    frames: int
    bytes: int
    genres: Mapping[str, int]
    flags: Mapping[str, int]
    experts: tuple[ExpertSummary, ...]
    settings: Mapping[str, object]


def dataset_folder(place: Source) -> Source:
    """Folder or URL of a dataset.

    Args:
        place: A run folder, a dataset folder, or the URL of a dataset.

    Raises:
        StoreError: If there is no dataset.
    """
    for folder in (place, Run(place).dataset) if isinstance(place, Path) else (place,):
        if Location(folder).has_info():
            return folder
    raise StoreError(f"{place} is neither a run with a dataset nor a dataset (no {INFO_FILE}).")


def open_dataset(place: Source) -> Opened:
    """Opens a dataset, with its run if it has one.

    Raises:
        StoreError: If there is no dataset, or it is damaged.
    """
    folder = dataset_folder(place)
    beside = folder.resolve().parent if isinstance(folder, Path) else place
    run = next((path for path in (place, beside) if isinstance(path, Path) and (path / RUN_FILE).is_file()), None)
    catalog = Run(run).catalog if run else None
    films = load_matched(catalog).trailers if catalog is not None and catalog.is_file() else ()
    return Opened(folder, EmbeddingDataset(folder), run, {film.trailer_id: film for film in films})


def summarise(opened: Opened) -> DatasetSummary:
    """Main figures of a dataset."""
    records = opened.dataset.trailers
    facts = [json.loads(record.facts) for record in records]
    genres = Counter(g for r in records if (film := opened.films.get(r.trailer_id)) for g in film.genres)
    have = Counter(name for record in records for name in record.experts)
    shown = [field.name for field in fields(ExpertSummary) if field.name != "trailers"]
    return DatasetSummary(
        dataset=str(opened.folder),
        trailers=len(records),
        hours=round(sum(record.duration_s for record in records) / 3600, 4),
        scenes=sum(record.n_scenes for record in records),
        frames=sum(int(fact.get("n_frames_decoded", 0)) for fact in facts),
        bytes=Location(opened.folder).size_bytes(),
        genres=dict(sorted(genres.items())),
        flags=dict(sorted(Counter(flag for record in records for flag in record.flags).items())),
        experts=tuple(
            ExpertSummary(**{name: getattr(expert, name) for name in shown}, trailers=have[expert.name])
            for expert in opened.dataset.experts
        ),
        settings=opened.dataset.info.settings,
    )


def verify_dataset(place: Source) -> Verified:
    """Checks everything; films at URLs are compared by size and time, and by content if the time differs.

    Raises:
        StoreError: If there is no dataset, or one of another version.
    """
    settings = Settings()
    return verify(dataset_folder(place), is_unchanged=lambda record: verified(record, settings))


def write_card(opened: Opened, out: Path | None = None) -> Path:
    """Writes the dataset's card into its folder; for a dataset at a URL, into its run or the current folder.

    Raises:
        StoreError: If the file cannot be written.
    """
    path = out or (opened.folder if isinstance(opened.folder, Path) else opened.run or Path()) / CARD_FILE
    write_text(path, card_text(summarise(opened)))
    return path


def card_text(info: DatasetSummary) -> str:
    """A dataset's card: its content, the experts, and the settings it was made with."""
    lines = ["# Embedding dataset of film trailers", ""]
    lines += _table(
        ("", "number"),
        [
            ("trailers", f"{info.trailers:,}"),
            ("hours", f"{info.hours:,.2f}" if info.hours else "not known"),
            ("frames", f"{info.frames:,}" if info.frames else "not known"),
            ("scenes", f"{info.scenes:,}"),
            ("bytes", f"{info.bytes:,}"),
        ],
    )
    lines += ["## Genres", "", "A film may have several.", ""]
    lines += _table(("genre", "trailers"), [(g, str(n)) for g, n in info.genres.items()] or [("not known", "")])
    lines += ["## Experts", "", "Frozen networks; one vector per scene and expert.", ""]
    lines += _table(
        ("expert", "modality", "dimension", "trailers", "substitute for", "licence", "citation"),
        [
            (
                e.name,
                e.modality,
                str(e.dimension),
                str(e.trailers),
                f"**substitute** for {e.substitute_for}" if e.substitute_for else "",
                e.licence or "not stated",
                e.citation or "not stated",
            )
            for e in info.experts
        ],
    )
    lines += [f"- {e.name}: {e.description}" for e in info.experts]
    if info.flags:
        lines += ["", "## Oddities", ""]
        lines += _table(("flag", "trailers"), [(flag, str(n)) for flag, n in info.flags.items()])
    lines += ["", "## How it was made", "", "By Cinegrain, with these settings:", "", "```json"]
    lines += [json.dumps(info.settings, indent=2, ensure_ascii=False), "```", ""]
    lines += ["Verify it with `cinegrain dataset verify`. Rights in the trailers remain with their owners.", ""]
    return "\n".join(lines)


def convert_dataset(opened: Opened, form: str, out: Path) -> list[Path]:
    """Writes the dataset in another format.

    Raises:
        ConfigError: If the format is unknown.
        StoreError: If the output cannot be written.
    """
    return convert(opened.dataset, opened.films, form, out)


def merge_datasets(first: Opened, second: Opened, out: Path) -> Merged:
    """Merges two datasets of the same experts and settings into a new run, with the films of both.

    Raises:
        DataError: If experts or settings differ, or a dataset is outdated.
        StoreError: If the output exists or cannot be written.
    """
    _refuse_outdated(first, second)
    _refuse_unlike(first, second)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"{out} exists and is not empty. Choose a new folder for --out.")
    run = Run.open(out, create=True)
    writer = DatasetWriter(run.dataset, experts=first.dataset.experts, settings=first.dataset.info.settings)
    ids = {record.trailer_id for record in first.dataset.trailers}
    others = [record.trailer_id for record in second.dataset.trailers]
    writer.copy(first.folder, sorted(ids))
    writer.copy(second.folder, [trailer_id for trailer_id in others if trailer_id not in ids])
    writer.compact()
    doubled = tuple(trailer_id for trailer_id in others if trailer_id in ids)
    films = {**second.films, **first.films}
    notes = tuple(f"{trailer_id!r} was in both datasets; the first one's is kept" for trailer_id in doubled)
    save_matched(run.catalog, Matched(tuple(sorted(films.values(), key=lambda film: film.trailer_id)), notes))
    settings = Run(first.run).settings if first.run else None
    if settings is not None and settings.is_file():
        write_text(run.settings, settings.read_text(encoding="utf-8"))
    return Merged(run.folder, len(writer.records), doubled)


def _refuse_outdated(*datasets: Opened) -> None:
    for opened in datasets:
        if opened.dataset.info.is_outdated:
            raise DataError(
                f"{opened.folder} was made by an earlier version of Cinegrain. Extract its films again, then merge."
            )


def _refuse_unlike(first: Opened, second: Opened) -> None:
    a, b = ({expert.name: expert.key for expert in opened.dataset.experts} for opened in (first, second))
    if a == b:
        return
    unlike = sorted(set(a) ^ set(b))
    if unlike:
        raise DataError(
            f"Only datasets of the same experts can be merged; {first.folder} has {', '.join(a)}, "
            f"{second.folder} has {', '.join(b)}. Extract what is missing: {', '.join(unlike)}."
        )
    changed = ", ".join(name for name in a if a[name] != b[name])
    raise DataError(
        f"The vectors of {changed} were computed with different settings or weights, so the datasets cannot be merged."
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"

    return [line(head), "|" + " --- |" * len(head), *map(line, rows), ""]
