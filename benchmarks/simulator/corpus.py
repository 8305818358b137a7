"""A simulated corpus as a run: its dataset, its catalogue, and beside them the planted answers that no stage reads."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
from threadpoolctl import threadpool_limits

from cinegrain.config import Settings, save_settings
from cinegrain.errors import ConfigError, StoreError
from cinegrain.runs.artifacts import csv_header, csv_line, is_current, key_of, read_json, write_json
from cinegrain.runs.layout import Run
from cinegrain.runs.progress import OnStep, Watcher
from cinegrain.store.schema import StoredExpert, TrailerRecord
from cinegrain.types import Float64, JsonObject, Modality, Trailer
from simulator.blocks import Block, BlockVectors, BlockWriter
from simulator.films import Film, draw_film, scene_vectors
from simulator.oracle import oracle_probabilities
from simulator.settings import SimulateSettings
from simulator.world import World, make_world

TRUTH_COLUMNS = ("trailer_id", "subgenre", "home_genre", "true_genres", "studio")
_VERSION = 1  # raise it when the same settings give other vectors
_NOWHERE = "simulated"  # stands for a file in records and catalogue
_BLOCK_BYTES, BLOCK_TRAILERS, _MEAN_SCENES = 32_000_000, 5000, 28


@dataclass(frozen=True)
class Simulated:
    """The run, how many trailers it has, and how many of them this call made."""

    folder: Path
    truth: Path
    n_trailers: int
    n_new: int


def simulate(out: Path, wanted: SimulateSettings, settings: Settings, watcher: Watcher) -> Simulated:
    """Simulates a corpus into a run folder; killed at any moment, or asked for more trailers, it goes on.

    Memory is bounded by a block of trailers, whatever their number.

    Args:
        out: The run folder.
        wanted: What to simulate.
        settings: Of the run; its experts are set to the simulated ones.
        watcher: Sees trailers pass.

    Raises:
        ConfigError: If the run has other simulated trailers, or more of them.
        StoreError: If the folder is no such run, or cannot be written.
    """
    run = Run.open(out, create=True)
    parameters = _parameters(wanted)
    _refuse_other(run, parameters)
    world, key = make_world(wanted), key_of(_VERSION, {**asdict(wanted), "trailers": None})
    names = {mode: expert_name(mode) for mode in wanted.dimensions}
    experts = [_expert(mode, d, key) for mode, d in wanted.dimensions.items()]
    writer = BlockWriter(run.dataset, experts=experts, settings={"simulation": parameters})
    if writer.n_trailers > wanted.trailers:
        raise ConfigError(
            f"{out} has {writer.n_trailers} simulated trailers already; --trailers {wanted.trailers} would take some "
            "away. Ask for at least as many, or choose another folder."
        )
    write_json(parameters_file(run), parameters)
    save_settings(replace(settings, extract=replace(settings.extract, experts=",".join(names.values()))), run.folder)
    had, step = writer.n_trailers, _block_size(wanted)
    # Products this small are slower on several threads, and other work may want the cores.
    with watcher.stage("Simulating trailers") as on_step, threadpool_limits(1):
        for start in range(had, wanted.trailers, step):
            films = [draw_film(world, i) for i in range(start, min(start + step, wanted.trailers))]
            writer.append(_block(world, films, names, key))
            on_step(writer.n_trailers, wanted.trailers, trailer_id(films[-1].number))
    done, done_key = run.folder / "simulation" / "catalog.json", key_of(key, wanted.trailers)
    if not (is_current(done, done_key) and run.catalog.is_file() and truth_file(run).is_file()):
        with watcher.stage("Writing the catalogue") as on_step:
            _write_catalog(run, world, on_step)
        write_json(done, {"key": done_key})
    return Simulated(run.folder, truth_file(run), writer.n_trailers, writer.n_trailers - had)


def trailer_id(number: int) -> str:
    """Id of a simulated trailer; ids sort as numbers do."""
    return f"sim-{number:09d}"


def expert_name(mode: Modality) -> str:
    """Name of the simulated expert of a mode."""
    return f"{mode}_simulated"


def parameters_file(run: Run) -> Path:
    """What the run was simulated with."""
    return run.folder / "simulation" / "parameters.json"


def truth_file(run: Run) -> Path:
    """The planted answers; only scoring may read them."""
    return run.folder / "simulation" / "truth.csv"


def simulated_world(run: Run) -> World:
    """The generating model of a simulated run.

    Raises:
        StoreError: If the run was not simulated, or by another version.
    """
    found = read_json(parameters_file(run))
    if found.get("version") != _VERSION:
        raise StoreError(f"{run.folder} was simulated by another version of Cinegrain. Simulate it anew elsewhere.")
    return make_world(SimulateSettings(**found["settings"]))


def oracle_of(run: Run, trailer_ids: list[str]) -> tuple[tuple[str, ...], Float64]:
    """Genres, and the best possible probabilities of them for some of a run's trailers, shape (n, g).

    Raises:
        StoreError: If the run was not simulated, or by another version.
    """
    world = simulated_world(run)
    return world.genres, oracle_probabilities(world, [int(name.removeprefix("sim-")) for name in trailer_ids])


def _parameters(wanted: SimulateSettings) -> JsonObject:
    return {
        "version": _VERSION,
        "settings": asdict(wanted),
        "strengths": asdict(wanted.strengths),
        "dimensions": dict(wanted.dimensions),
    }


def _refuse_other(run: Run, parameters: JsonObject) -> None:
    """Raises: ConfigError if the run has trailers of other parameters; only their number may change."""
    if not parameters_file(run).is_file():
        return
    found = read_json(parameters_file(run))
    old, new = found["settings"], parameters["settings"]
    differ = [f"{name} {old.get(name)}, not {new[name]}" for name in new if old.get(name) != new[name]]
    differ = [line for line in differ if not line.startswith("trailers ")]
    if differ or found["version"] != _VERSION:
        what = ", ".join(differ) or f"version {found['version']}, not {_VERSION}"
        raise ConfigError(f"{run.folder} was simulated with {what}. Choose another folder for these.")


def _expert(mode: Modality, dimension: int, key: str) -> StoredExpert:
    return StoredExpert(
        expert_name(mode),
        mode,
        dimension,
        needs="nothing",
        description="Simulated: no network has looked at any film.",
        licence="CC0-1.0",
        citation="none",
        version=_VERSION,
        key=key,
    )


def _block_size(wanted: SimulateSettings) -> int:
    scenes = 1 if wanted.pooled else _MEAN_SCENES
    return max(1, min(BLOCK_TRAILERS, _BLOCK_BYTES // (2 * scenes * sum(wanted.dimensions.values()))))


def _block(world: World, films: list[Film], names: dict[Modality, str], key: str) -> Block:
    cuts = [film.cuts_s[[0, -1]] if world.settings.pooled else film.cuts_s for film in films]
    counts = np.array([len(own) - 1 for own in cuts])
    first = np.cumsum(counts) - counts
    vectors: dict[Modality, list[np.ndarray]] = {mode: [] for mode in names}
    rows: dict[Modality, list[np.ndarray]] = {mode: [] for mode in names}
    for i, film in enumerate(films):
        for mode, values in scene_vectors(world, film).items():
            vectors[mode].append(values.astype(np.float16))
            rows[mode].append(first[i] + np.arange(counts[i]))
    records = [
        TrailerRecord(
            trailer_id(film.number), _NOWHERE, key, 0, 0, float(own[-1]), len(own) - 1, (), tuple(names.values())
        )
        for film, own in zip(films, cuts, strict=True)
    ]
    return Block(
        records,
        owner=np.repeat(np.arange(len(films)), counts),
        scene=np.concatenate([np.arange(n) for n in counts]),
        start_s=np.concatenate([own[:-1] for own in cuts]),
        end_s=np.concatenate([own[1:] for own in cuts]),
        experts={
            names[mode]: BlockVectors(np.concatenate(rows[mode]), np.concatenate(vectors[mode]))
            for mode in names
            if rows[mode]
        },
    )


def _write_catalog(run: Run, world: World, on_step: OnStep) -> None:
    """The catalogue that every stage reads, and the answers that none does; streamed, film by film."""
    n = world.settings.trailers
    with _whole(run.catalog) as catalog, _whole(truth_file(run)) as truth:
        truth.write(csv_header(TRUTH_COLUMNS))
        catalog.write('{\n"notes": ["simulated: no film behind it"],\n"trailers": [\n')
        for number in range(n):
            film = draw_film(world, number)
            name = trailer_id(number)
            row = Trailer(name, Path(_NOWHERE), f"Simulated film {number}", film.genres, film.year)
            catalog.write(json.dumps(asdict(row), default=str) + (",\n" if number < n - 1 else "\n]}\n"))
            home = int(world.homes[film.genre_set])
            true_genres, subgenre = "|".join(film.true_genres), world.sub_genre_name(home, film.variants)
            truth.write(csv_line((name, subgenre, world.genres[home], true_genres, film.studio)))
            if number % BLOCK_TRAILERS == 0 or number == n - 1:
                on_step(number + 1, n, name)


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    """A text file that appears under its name only when all of it is on disk.

    Raises:
        StoreError: If the place cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StoreError(f"Cannot write {path}: {error}. Free some space and run the same command again.") from error
    finally:
        part.unlink(missing_ok=True)
