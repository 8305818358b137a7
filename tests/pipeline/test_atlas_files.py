"""An atlas as CSV, JSON and SKOS: written, read by others, edited and brought back."""

import csv
import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import rdflib
from rdflib.namespace import DCTERMS, RDF, SKOS
from tests.pipeline import test_atlas
from tests.pipeline.test_atlas import command

from cinegrain.atlas.edit import Editor
from cinegrain.atlas.imported import ENDINGS, import_sheet, read_sheet, write_sheet
from cinegrain.atlas.run_atlas import open_atlas
from cinegrain.atlas.sheet import MAX_BYTES, sheet_of
from cinegrain.atlas.skos import NS
from cinegrain.errors import CinegrainError, ConfigError, ConflictError, EditError
from cinegrain.runs.layout import Run

no_figures, discovered, run = test_atlas.no_figures, test_atlas.discovered, test_atlas.run
OWN = rdflib.Namespace(NS)
SKOS_ENDINGS = [e for e in ENDINGS if e not in (".csv", ".json", ".xml")]


@pytest.fixture
def edited(run: Run) -> Run:
    """With a name in another script, quotes and a comma; a merge, a split, a move and a lock."""
    anna = Editor(run, "anna")
    anna.rename("S01", "Köy, “filmleri” \\ кино; 村")
    anna.merge("S02", ["S05"])
    anna.split("S03", open_atlas(run).halves("S03")[1], "Half")
    anna.move([open_atlas(run).edited.by_id["S03"].members[0]], "S04")
    anna.lock("S04")
    return run


def content(run: Run) -> dict[str, frozenset[str]]:
    return {group.name: frozenset(group.members) for group in open_atlas(run).edited.groups}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_brought_back_unchanged_changes_nothing(edited: Run, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"atlas{ending}"
    write_sheet(file, sheet_of(open_atlas(edited)))
    assert import_sheet(Editor(edited, "ben"), read_sheet(file)) == ()


def test_a_split_that_was_left_to_be_named_by_its_terms_is_not_renamed(discovered: Path, tmp_path: Path) -> None:
    run = Run.open(Path(shutil.copytree(discovered, tmp_path / "run")))
    largest = open_atlas(run).cards[0]
    Editor(run, "anna").split(largest.id, largest.members[:2])
    write_sheet(tmp_path / "atlas.csv", sheet_of(open_atlas(run)))
    assert import_sheet(Editor(run, "ben"), read_sheet(tmp_path / "atlas.csv")) == ()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_makes_of_the_bare_discovery_the_same_atlas(
    edited: Run, discovered: Path, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"atlas{ending}"
    write_sheet(file, sheet_of(open_atlas(edited)))
    bare = Run.open(Path(shutil.copytree(discovered, tmp_path / "bare")))
    sheet = read_sheet(file)
    half = next(group for group in open_atlas(edited).edited.groups if group.name == "Half")
    without_ids = {key if key != half.id else "=Half": group for key, group in sheet.groups.items()}
    place = {trailer: "=Half" if key == half.id else key for trailer, key in sheet.place.items()}
    sheet = type(sheet)(0, without_ids, place)  # S06 is not known there
    import_sheet(Editor(bare, "ben"), sheet)
    assert content(bare) == content(edited)
    import_sheet(Editor(bare, "ben", expected=open_atlas(bare).version), sheet)
    again = open_atlas(bare)
    if ending == ".json":
        assert again.edited.by_id["S04"].locked
    Editor(bare, "ben").undo([e.id for e in again.log.entries][::-1])
    assert content(bare) == {g.name: frozenset(g.members) for g in again.found.subgenres}


@pytest.mark.parametrize("ending", SKOS_ENDINGS)
def test_skos_holds_what_the_atlas_holds_and_keeps_its_rules(edited: Run, tmp_path: Path, ending: str) -> None:
    file, base = tmp_path / f"atlas{ending}", "https://archive.example/genres/"
    atlas = open_atlas(edited)
    write_sheet(file, sheet_of(atlas), base=base, language="tr")
    form = {".ttl": "turtle", ".rdf": "xml", ".jsonld": "json-ld"}[ending]
    graph = rdflib.Graph().parse(data=file.read_bytes(), format=form)
    for card in atlas.cards:
        node = rdflib.URIRef(f"{base}subgenre/{card.id}")
        assert list(graph.objects(node, SKOS.prefLabel)) == [rdflib.Literal(card.name, lang="tr")]
        assert {str(x) for x in graph.objects(node, SKOS.altLabel)} == set(card.former)
        films = {str(graph.value(film, DCTERMS.identifier)) for film in graph.objects(node, OWN.member)}
        assert films == set(card.members)
        genres = {str(graph.value(genre, SKOS.prefLabel)) for genre in graph.objects(node, SKOS.broader)}
        assert genres <= {parent.genre for parent in card.parents}
    concepts = set(graph.subjects(RDF.type, SKOS.Concept))
    schemes = set(graph.subjects(RDF.type, SKOS.ConceptScheme))
    assert len(schemes) == 1
    assert not concepts & schemes, "S9: a scheme is no concept"
    for concept in concepts:
        labels = list(graph.objects(concept, SKOS.prefLabel))
        assert len({label.language for label in labels}) == len(labels) == 1, "S14: one name a language"  # type: ignore[attr-defined]
        assert not set(labels) & set(graph.objects(concept, SKOS.altLabel)), "S13: names are disjoint"
        for above in graph.objects(concept, SKOS.broader):
            assert concept not in set(graph.transitive_objects(above, SKOS.broader)), "no circle of broader ones"
        reached = {concept, *graph.transitive_objects(concept, SKOS.broader)}
        assert any((top, SKOS.topConceptOf, next(iter(schemes))) in graph for top in reached)
        assert set(graph.objects(concept, SKOS.inScheme)) == schemes
    assert set(graph.subject_objects(SKOS.broader)) == {(b, a) for a, b in graph.subject_objects(SKOS.narrower)}
    assert all(str(subject).startswith(base) for subject in graph.subjects()), "no blank nodes: addresses are stable"


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


def write_rows(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as opened:  # as a spreadsheet saves it
        writer = csv.DictWriter(opened, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def test_a_spreadsheet_edited_by_hand(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "atlas.csv"
    assert command("export", run.folder, file)[0] == 0
    rows, before = rows_of(file), open_atlas(run).edited.by_id
    for row in rows:
        if row["subgenre_id"] == "S01":
            row["subgenre"] = "A better name"
        elif row["subgenre_id"] == "S02":  # all of it to S03
            row["subgenre_id"], row["subgenre"] = "S03", before["S03"].name
    for row in [row for row in rows if row["subgenre_id"] == "S04"][:3]:
        row["subgenre_id"], row["subgenre"] = "", "Brand new"
    moved = next(row for row in rows if row["subgenre_id"] == "S05")
    moved["subgenre_id"], moved["subgenre"] = "", "A better name"
    write_rows(file, rows[:-1])
    code, text = command("import", run.folder, file, "--by", "ben", "--json")
    assert code == 0, text
    after = open_atlas(run)
    assert [e.operation.do for e in after.log.entries] == ["accept", "move", "merge", "rename"]
    assert {e.why for e in after.log.entries} == {"import of atlas.csv"}
    assert after.edited.by_id["S01"].name == "A better name"
    assert set(after.edited.by_id["S01"].members) == {*before["S01"].members, moved["trailer_id"]}
    assert set(after.edited.by_id["S03"].members) == {*before["S03"].members, *before["S02"].members}
    assert after.edited.by_id["S06"].name == "Brand new"
    assert len(after.edited.by_id["S06"].members) == 3


def test_a_file_of_an_older_version_is_refused_rather_than_undoing_others(run: Run, tmp_path: Path) -> None:
    for ending in ENDINGS:
        write_sheet(tmp_path / f"a{ending}", sheet_of(open_atlas(run)))
    Editor(run, "anna").rename("S01", "Anna's name")
    for ending in ENDINGS:
        with pytest.raises(ConflictError, match="anna renames S01"):
            import_sheet(Editor(run, "ben"), read_sheet(tmp_path / f"a{ending}"))
    assert open_atlas(run).version == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trailer_id": "nobody"}, "films that are not in this run: nobody"),
        ({"subgenre_id": "S77", "subgenre": "x"}, "has the sub-genre 'S77'"),
        ({"subgenre_id": "", "subgenre": ""}, "has no sub-genre for"),
        ({"subgenre": "Another"}, "To rename it, change all its lines"),
        ({"version": "-1"}, "must be a number"),
    ],
)
def test_what_a_csv_says_wrongly_is_told_and_nothing_is_taken(
    run: Run, tmp_path: Path, change: dict[str, str], says: str
) -> None:
    file = tmp_path / "atlas.csv"
    write_sheet(file, sheet_of(open_atlas(run)))
    rows = rows_of(file)
    rows[0] = {**rows[0], **change}
    if "version" in change:
        rows = [{**row, **change} for row in rows]
    write_rows(file, rows)
    with pytest.raises(CinegrainError, match=says):
        import_sheet(Editor(run, "ben"), read_sheet(file))
    assert open_atlas(run).version == 0


def test_two_equal_names_and_locked_ones_are_refused_whole(edited: Run, tmp_path: Path) -> None:
    file = tmp_path / "atlas.json"
    write_sheet(file, sheet_of(open_atlas(edited)))
    found = json.loads(file.read_text())
    for group in found["subgenres"]:
        group["name"] = "The same" if group["id"] in ("S01", "S02") else group["name"]
    file.write_text(json.dumps(found))
    version = open_atlas(edited).version
    with pytest.raises(EditError, match="two sub-genres called"):
        import_sheet(Editor(edited, "ben"), read_sheet(file))
    for group in found["subgenres"]:
        group["name"] = {"S01": "One", "S02": "Two", "S04": "Changed though locked"}.get(group["id"], group["name"])
    file.write_text(json.dumps(found))
    with pytest.raises(EditError, match=r"S04 .* is locked"):
        import_sheet(Editor(edited, "ben"), read_sheet(file))
    assert open_atlas(edited).version == version


REMOTE = "http://192.0.2.1/context"
HOSTILE = {
    "remote.jsonld": json.dumps({"@context": REMOTE, "@id": "urn:x"}),
    "nested.jsonld": json.dumps([{"@graph": [{"@context": [{}, REMOTE]}]}]),
    "import.jsonld": json.dumps({"@context": {"@import": REMOTE}}),
    "deep.jsonld": "[" * 100_000 + "]" * 100_000,
    "entity.rdf": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "laughs.xml": '<!DOCTYPE l [<!ENTITY a "' + "ha" * 50 + '"><!ENTITY b "&a;&a;&a;&a;&a;">]><l>&b;</l>',
    "utf16.rdf": '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
    "broken.ttl": "@prefix : <urn:x> . :a :b",
    "empty.ttl": "",
    "empty.csv": "",
    "other.csv": "a,b\n1,2\n",
    "other.json": "[1, 2]",
    "format.json": '{"cinegrain_atlas": 9}',
    "types.json": '{"cinegrain_atlas": 1, "unplaced": [], "subgenres": [{"id": 3, "name": "x", "members": []}]}',
    "deep.json": "[" * 100_000,
    "atlas.txt": "",
    "gone.csv": None,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_foreign_file_fetches_nothing_and_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    text = HOSTILE[name]
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError):
        read_sheet(tmp_path / name)


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    for ending in ENDINGS:
        with (tmp_path / f"big{ending}").open("wb") as file:
            file.truncate(MAX_BYTES + 1)
        with pytest.raises(ConfigError, match="larger than 64 MiB"):
            read_sheet(tmp_path / f"big{ending}")


def test_bases_and_languages_that_are_none(run: Run, tmp_path: Path) -> None:
    for flags in (("--base", "no address"), ("--base", "http://a b/"), ("--language", "en us")):
        code, text = command("export", run.folder, tmp_path / "a.ttl", *flags)
        assert code == 2
        assert flags[0] in text
    assert command("export", run.folder, tmp_path / "a.doc")[0] == 2
