"""Keeps every sub-genre of a run, so that ids outlast discoveries."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from cinegrain.atlas.edits import Entry, subgenre_number
from cinegrain.atlas.edits_check import next_subgenre
from cinegrain.atlas.edits_replay import Base, replay, wishes
from cinegrain.atlas.identity import NOTHING_KNOWN, Carried, Known
from cinegrain.atlas.new_films import NewFilms, read_new_films
from cinegrain.runs.artifacts import read_json, write_json
from cinegrain.runs.layout import Run
from cinegrain.types import Float64, JsonObject


def as_base(members: Mapping[str, Sequence[str]], names: Mapping[str, str], new_films: NewFilms) -> Base:
    """Sub-genres before edits.

    Args:
        members: Members of discovered sub-genres, by id.
        names: Their names.
        new_films: Films added later.
    """
    home = {trailer: id_ for id_, trailers in members.items() for trailer in trailers}
    return Base({**{t: id_ for t, id_ in new_films.home.items() if t not in home}, **home}, names, new_films.otherwise)


def highest_ever(run: Run, subgenres: Iterable[str]) -> int:
    """Highest number that discovery has used; `subgenres` are the current ids."""
    given = map(subgenre_number, subgenres)
    kept = read_json(run.ids)["highest"] if run.ids.is_file() else 0
    return max([kept, *given])


def read_known(run: Run, entries: Sequence[Entry], space: str) -> Known:
    """Sub-genres before a new discovery.

    Args:
        run: The run.
        entries: Its log of edits.
        space: Key of the model whose embeddings are clustered now.
    """
    nothing: JsonObject = {"highest": 0, "space": "", "subgenres": {}}
    kept: JsonObject = read_json(run.ids) if run.ids.is_file() else nothing
    if run.atlas.is_file():  # also for runs of a version without ids.json
        for card in read_json(run.atlas)["subgenres"]:
            kept["subgenres"][card["id"]] = {"name": card["name"], "members": card["members"], "found": True}
    if not kept["subgenres"]:
        return NOTHING_KNOWN
    current = {id_: about for id_, about in kept["subgenres"].items() if about["found"]}
    members, names = ({id_: about[key] for id_, about in current.items()} for key in ("members", "name"))
    edited = replay(as_base(members, names, read_new_films(run)), entries)
    asked = wishes(entries)
    offspring: dict[str, list[str]] = {}
    for new, source in asked.parents.items():
        offspring.setdefault(source, []).append(new)
    highest = max([kept["highest"], *map(subgenre_number, kept["subgenres"])])
    return Known(
        highest=subgenre_number(next_subgenre(highest, entries)) - 1,
        found={id_: about["members"] for id_, about in kept["subgenres"].items()},
        wanted={group.id: group.members for group in edited.groups},
        locked={group.id: group.members for group in edited.groups if group.locked},
        part_of={other: into for other, (into, _) in asked.into.items()},
        offspring=offspring,
        centres=_centres(run, kept, space),
    )


def write_known(
    run: Run, known: Known, carried: Carried, names: Sequence[str], trailer_ids: Sequence[str], space: str
) -> None:
    """Stores ids and members of a new discovery, and keeps those of sub-genres that it did not find."""
    before = read_json(run.ids)["subgenres"] if run.ids.is_file() else {}
    subgenres: JsonObject = {
        id_: {"name": before.get(id_, {"name": ""})["name"], "members": list(members), "found": False}
        for id_, members in known.found.items()
    }
    for i, id_ in enumerate(carried.ids):
        members = [trailer_ids[row] for row in np.flatnonzero(carried.clustering.labels == i).tolist()]
        subgenres[id_] = {"name": names[i], "members": members, "found": True}
    highest = max([known.highest, *map(subgenre_number, subgenres)])
    write_json(run.ids, {"highest": highest, "space": space, "order": list(carried.ids), "subgenres": subgenres})


def _centres(run: Run, kept: JsonObject, space: str) -> dict[str, Float64]:
    """Centres of the last discovery, if the embedding is the same."""
    if kept["space"] != space or not run.embeddings.is_file():
        return {}
    try:
        centroids = load_file(run.embeddings)["centroids"].astype(np.float64)
    except (OSError, SafetensorError, KeyError):
        return {}
    return dict(zip(kept["order"], centroids, strict=False))
