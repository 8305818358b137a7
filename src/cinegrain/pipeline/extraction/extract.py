"""The extraction stage: embeds every trailer of the catalogue."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cinegrain.config import Settings, keyed, save_settings, to_plain
from cinegrain.errors import ConfigError
from cinegrain.experts.base import ExpertCard
from cinegrain.experts.registry import expert_cards, load_networks, resolve_experts
from cinegrain.experts.runtime import Runtime, quantised_for
from cinegrain.experts.weights import WeightFile, fetch
from cinegrain.extras import require
from cinegrain.media.remote import source_text
from cinegrain.pipeline.extraction.embed import Job, cut_weights, load_cut_finder
from cinegrain.pipeline.extraction.jobs import Failed, Outcome, WorkerSetup
from cinegrain.pipeline.extraction.ray_engine import embed_on_ray
from cinegrain.pipeline.extraction.sources import is_unchanged, stamp_of
from cinegrain.pipeline.extraction.workers import embedding_pool
from cinegrain.pipeline.match_catalog import match_catalog
from cinegrain.pipeline.reading import keep_reading, or_kept
from cinegrain.readers.catalog.columns import AS_FOUND, Reading
from cinegrain.runs.artifacts import check_run_folder, key_of, read_csv, write_csv
from cinegrain.runs.catalog import Matched, save_matched
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import Watcher
from cinegrain.settings import chosen
from cinegrain.store.location import Location, dataset_url
from cinegrain.store.schema import StoredExpert
from cinegrain.store.writer import DatasetWriter
from cinegrain.types import Source, Trailer
from cinegrain.urls import cache_folder

# Prefixes of settings that affect only experts with one kind of input.
_OWN_SETTINGS = {"frames": ("frame_",), "flow": ("flow_",), "sound": ("silence_", "audio_"), "clips": ("clip_",)}
_NO_VECTOR_DEPENDS_ON = ("time_limit_s",)
FAILURE_COLUMNS = ("trailer_id", "path", "reason", "size_bytes", "modified_ns")


@dataclass(frozen=True)
class FailureRow:
    """A row of failures.csv; size and time show whether the file has changed since."""

    trailer_id: str
    path: str
    reason: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class ExtractSummary:
    """Result of the stage."""

    n_done: int
    n_new: int
    failures: tuple[FailureRow, ...]


def extract_folder(
    videos: Source,
    catalog: Path,
    out: Path,
    settings: Settings,
    watcher: Watcher,
    *,
    retry_failed: bool = False,
    reading: Reading = AS_FOUND,
) -> tuple[Run, Matched, ExtractSummary]:
    """Matches a folder with its catalogue and embeds every film.

    Raises:
        CinegrainError: If the input cannot be used or the output not written.
    """
    run, matched = match_folder(videos, catalog, out, settings, reading=reading)
    return run, matched, extract(run, matched.trailers, settings, watcher, retry_failed=retry_failed)


def match_folder(
    videos: Source,
    catalog: Path,
    out: Path,
    settings: Settings,
    *,
    reading: Reading = AS_FOUND,
    check: Callable[[Sequence[Trailer]], None] | None = None,
) -> tuple[Run, Matched]:
    """Opens a run for a folder and its catalogue, after all checks that need no decoding.

    Args:
        videos: Folder or its URL.
        catalog: The catalogue.
        out: Run folder.
        settings: All settings.
        reading: How to read the catalogue, if it differs from what the run has stored.
        check: Raises if the films are unsuitable.

    Raises:
        CinegrainError: If the input cannot be used or the output not written.
    """
    check_settings(out, settings)
    reading = or_kept(reading, out)
    matched = match_catalog(videos, catalog, reading)
    if check is not None:
        check(matched.trailers)
    run = Run.open(out, create=True)
    keep_reading(reading, run)
    save_matched(run.catalog, matched)
    return run, matched


def check_settings(out: Path, settings: Settings) -> None:
    """Checks the settings before any film is read.

    Raises:
        ConfigError: If an expert is unknown, a package is missing, or the dataset's URL cannot be used.
        StoreError: If the run folder cannot be written, or the dataset's URL cannot be reached.
    """
    resolve_experts(settings.extract.experts)
    Runtime.of(settings.extract)
    if settings.extract.ray.startswith("ray://"):
        raise ConfigError(
            f"This machine is not part of the cluster at {settings.extract.ray}. Run the same command on the head "
            "node of the cluster, with --extract.ray auto."
        )
    if settings.extract.ray:
        require("A Ray cluster", "ray")
    check_run_folder(out)
    if settings.extract.dataset:
        Location(dataset_url(settings.extract.dataset)).has_info()


def extract(
    run: Run, trailers: Sequence[Trailer], settings: Settings, watcher: Watcher, *, retry_failed: bool = False
) -> ExtractSummary:
    """Embeds every trailer that the dataset does not have yet; if interrupted, the same call continues.

    Args:
        run: The run.
        trailers: Trailers of the catalogue.
        settings: All settings.
        watcher: Receives progress.
        retry_failed: Whether to retry unchanged files that failed before.

    Raises:
        StoreError: If the dataset's format is not supported, or it cannot be written.
        WeightsError: If an expert's weights cannot be downloaded.
    """
    experts, runtime = resolve_experts(settings.extract.experts), Runtime.of(settings.extract)
    cards = expert_cards()
    install_weights(experts, watcher, also=cut_weights(settings.media))
    if settings.extract.dataset:
        run.place_dataset(dataset_url(settings.extract.dataset))
    _tell_if_outdated(run, watcher)
    writer = DatasetWriter(
        run.dataset,
        experts=[stored_expert(cards[name], vectors_key(cards[name], settings)) for name in experts],
        settings={"media": to_plain(settings.media)},
    )
    save_settings(settings, run.folder)
    failures = {} if retry_failed else _still_failing(read_failures(run.failures), trailers)
    work = _work(writer, trailers, experts, failures, settings)
    _write_failures(run, failures)
    jobs = [job for group in work.values() for job in group]
    if jobs:
        load_networks(
            sorted({name for names in work for name in names}), cache_folder(), runtime
        )  # builds graphs before workers start
        load_cut_finder(settings.media, cache_folder(), runtime)
        with watcher.stage("Embedding films") as on_step:
            started = time.monotonic()
            for done, outcome in enumerate(_embed_groups(work, settings), start=1):
                name = outcome.trailer_id
                if isinstance(outcome, Failed):
                    failures[name] = _failure(outcome)
                    _write_failures(run, failures)
                    watcher.say(f"{name}: {outcome.reason}")
                elif name in writer.records:
                    writer.extend(name, outcome.scenes, outcome.embeddings)
                else:
                    writer.append(outcome.record, outcome.scenes, outcome.embeddings)
                rate = done / max(time.monotonic() - started, 1e-6) * 60
                on_step(done, len(jobs), f"{name} ({rate:.0f} films a minute)")
        writer.compact()
    whole = {name for name, record in writer.records.items() if set(experts) <= set(record.experts)}
    return ExtractSummary(
        n_done=len(whole & {trailer.trailer_id for trailer in trailers}),
        n_new=sum(job.trailer_id in whole for job in jobs),
        failures=tuple(failures.values()),
    )


def stored_expert(card: ExpertCard, key: str) -> StoredExpert:
    """An expert as stored in a dataset.

    Args:
        card: Its card.
        key: Hash of everything its vectors depend on.
    """
    return StoredExpert(**asdict(card), substitute=card.substitute, key=key)


def _tell_if_outdated(run: Run, watcher: Watcher) -> None:
    place = Location(run.dataset)
    if place.has_info() and place.read_info().is_outdated:
        watcher.say(
            f"{run.dataset} was made by an earlier version of Cinegrain, which read pauses and black bars differently: "
            "its films are embedded again."
        )


def vectors_key(card: ExpertCard, settings: Settings) -> str:
    """Hash of everything an expert's vectors depend on: its version, and the settings that affect it.

    Cutting affects every expert, frame sampling only those that use frames, and so on; the time limit affects none.
    8-bit graphs count with their content and engine, since engines add differently; in fp32 they differ by rounding
    only.
    """
    of_others = tuple(p for needs, prefixes in _OWN_SETTINGS.items() if needs != card.needs for p in prefixes)
    reaching = {
        name: value
        for name, value in keyed(settings, "media").items()
        if name not in _NO_VECTOR_DEPENDS_ON and not name.startswith(of_others)
    }
    parts = [card.name, card.version, reaching]
    short = [graph.sha256 for graph in quantised_for(card.name, cache_folder()) if graph.kept]
    if settings.extract.precision == "int8" and short:
        parts.append([settings.extract.engine, *short])
    return key_of(*parts)


def _embed_groups(work: Mapping[tuple[str, ...], Sequence[Job]], settings: Settings) -> Iterator[Outcome]:
    """Embeds group by group, so that only missing experts run; on a Ray cluster if the settings say so."""
    asked = settings.extract
    for experts, jobs in work.items():
        setup = WorkerSetup(experts, settings.media, cache_folder(), Runtime.of(asked), asked.download_limit_bytes)
        if asked.ray:
            yield from embed_on_ray(jobs, setup, address=asked.ray, at_once=chosen(asked.workers, 0))
        else:
            with embedding_pool(setup, workers=min(asked.n_workers, len(jobs))) as pool:
                yield from pool.each(jobs)


def install_weights(experts: Sequence[str], watcher: Watcher, *, also: Sequence[WeightFile] = ()) -> list[Path]:
    """Downloads the experts' weights, and further files, that are not in the cache.

    Raises:
        WeightsError: If a file cannot be downloaded.
    """
    cards = expert_cards()
    files = list(dict.fromkeys(file for name in experts for file in cards[name].weights)) + list(also)
    paths = []
    with watcher.stage("Pretrained weights") as on_step:
        for done, file in enumerate(files, start=1):
            paths.append(fetch(file, cache_folder()))
            on_step(done, len(files), file.name)
    return paths


def read_failures(path: Path) -> list[FailureRow]:
    """Failures of earlier runs; none without a file."""
    if not path.is_file():
        return []
    return [
        FailureRow(row["trailer_id"], row["path"], row["reason"], int(row["size_bytes"]), int(row["modified_ns"]))
        for row in read_csv(path)
    ]


def _write_failures(run: Run, failures: dict[str, FailureRow]) -> None:
    rows = sorted(failures.values(), key=lambda row: row.trailer_id)
    write_csv(run.failures, FAILURE_COLUMNS, map(asdict, rows))


def _still_failing(rows: Sequence[FailureRow], trailers: Sequence[Trailer]) -> dict[str, FailureRow]:
    """Failures whose file has not changed."""
    files = {trailer.trailer_id: (trailer.path, *trailer.parts) for trailer in trailers}
    return {
        row.trailer_id: row
        for row in rows
        if row.trailer_id in files and stamp_of(*files[row.trailer_id]) == (row.size_bytes, row.modified_ns)
    }


def _work(
    writer: DatasetWriter,
    trailers: Sequence[Trailer],
    experts: Sequence[str],
    failures: Mapping[str, FailureRow],
    settings: Settings,
) -> dict[tuple[str, ...], list[Job]]:
    """Jobs by missing experts.

    Trailers whose file has changed, or without any expert left (their scenes may be cut differently now), are deleted
    from the dataset first.
    """
    stale: list[str] = []
    work: dict[tuple[str, ...], list[Job]] = {}
    for trailer in trailers:
        if trailer.trailer_id in failures:
            continue
        record = writer.records.get(trailer.trailer_id)
        missing = tuple(experts)
        files = (trailer.path, *trailer.parts)
        if record is not None and record.experts and is_unchanged(record, files, settings):
            missing = tuple(name for name in experts if name not in record.experts)
        elif record is not None:
            stale.append(trailer.trailer_id)
        if missing:
            work.setdefault(missing, []).append(Job(trailer.trailer_id, trailer.path, trailer.parts))
    writer.remove(stale)
    return work


def _failure(outcome: Failed) -> FailureRow:
    return FailureRow(
        outcome.job.trailer_id, source_text(outcome.job.path), outcome.reason, *stamp_of(*outcome.job.files)
    )
