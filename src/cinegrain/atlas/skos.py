"""Reads and writes an atlas in SKOS, the vocabulary of library and archive catalogues.

Genres and sub-genres are concepts of one scheme; `skos:broader` leads from a sub-genre to its genres. A sub-genre has
its id as `skos:notation`, its name as `skos:prefLabel`, earlier names as `skos:altLabel` and titles of typical films
as `skos:example`. The namespace NS has `member`, `exemplar`, `keyword`, `unplaced` and `version`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cinegrain.atlas.edits import same_name
from cinegrain.atlas.sheet import Sheet, SheetGroup, read_bounded
from cinegrain.errors import ConfigError
from cinegrain.extras import require
from cinegrain.runs.artifacts import write_bytes

if TYPE_CHECKING:
    from rdflib import Graph, URIRef

NS = "urn:cinegrain:atlas#"
DEFAULT_BASE = "urn:cinegrain:atlas:"
FORMATS = {".ttl": "turtle", ".rdf": "xml", ".xml": "xml", ".jsonld": "json-ld"}


def write_skos(path: Path, sheet: Sheet, *, base: str = DEFAULT_BASE, language: str = "") -> None:
    """Writes Turtle, RDF/XML or JSON-LD, by the extension.

    Args:
        path: File to write.
        sheet: The atlas.
        base: Beginning of every URI; equal ids give equal URIs.
        language: Language tag of the labels, such as `en`; none by default.

    Raises:
        ConfigError: If rdflib is not installed, or base or language are invalid.
        StoreError: If it cannot be written.
    """
    graph = skos_graph(sheet, base=base, language=language)
    write_bytes(path, graph.serialize(format=FORMATS[path.suffix.lower()], encoding="utf-8"))


def skos_graph(sheet: Sheet, *, base: str = DEFAULT_BASE, language: str = "") -> "Graph":
    """An atlas as a graph."""
    require("SKOS", "skos")
    import rdflib
    from rdflib.namespace import DCTERMS, RDF, SKOS

    _check(base, language)
    graph: Graph = rdflib.Graph()
    own = rdflib.Namespace(NS)
    graph.bind("skos", SKOS)
    graph.bind("dcterms", DCTERMS)
    graph.bind("atlas", own)

    def address(kind: str, name: str) -> "URIRef":
        found: URIRef = rdflib.URIRef(f"{base}{kind}/{quote(name, safe='')}")
        return found

    def text(value: str) -> Any:
        return rdflib.Literal(value, lang=language or None)

    scheme = rdflib.URIRef(f"{base}scheme")
    graph.add((scheme, RDF.type, SKOS.ConceptScheme))
    graph.add((scheme, SKOS.prefLabel, text("Sub-genres")))
    graph.add((scheme, own.version, rdflib.Literal(sheet.version or 0)))
    for genre in sorted({genre for group in sheet.groups.values() for genre in group.genres}):
        concept = address("genre", genre)
        graph.add((concept, RDF.type, SKOS.Concept))
        graph.add((concept, SKOS.inScheme, scheme))
        graph.add((concept, SKOS.prefLabel, text(genre)))
        graph.add((concept, SKOS.topConceptOf, scheme))
        graph.add((scheme, SKOS.hasTopConcept, concept))
    for key, group in sheet.groups.items():
        concept = address("subgenre", key)
        graph.add((concept, RDF.type, SKOS.Concept))
        graph.add((concept, SKOS.inScheme, scheme))
        graph.add((concept, SKOS.notation, rdflib.Literal(group.id)))
        graph.add((concept, SKOS.prefLabel, text(group.name)))
        for name in group.former:
            if same_name(name) != same_name(group.name):
                graph.add((concept, SKOS.altLabel, text(name)))
        for word in group.keywords:
            graph.add((concept, own.keyword, text(word)))
        for genre in group.genres:
            graph.add((concept, SKOS.broader, address("genre", genre)))
            graph.add((address("genre", genre), SKOS.narrower, concept))
        if not group.genres:
            graph.add((concept, SKOS.topConceptOf, scheme))
            graph.add((scheme, SKOS.hasTopConcept, concept))
        for trailer in group.exemplars:
            graph.add((concept, own.exemplar, address("film", trailer)))
            graph.add((concept, SKOS.example, text(sheet.titles.get(trailer, trailer))))
    for trailer, key in sheet.place.items():
        film = address("film", trailer)
        graph.add((film, RDF.type, own.Film))
        graph.add((film, DCTERMS.identifier, rdflib.Literal(trailer)))
        graph.add((film, DCTERMS.title, text(sheet.titles.get(trailer, trailer))))
        graph.add((address("subgenre", key), own.member, film) if key else (scheme, own.unplaced, film))
    return graph


def read_skos(path: Path) -> Sheet:
    """Reads an edited SKOS file; fetches nothing and runs nothing.

    A concept without a notation that has members is a new sub-genre.

    Raises:
        ConfigError: If rdflib is not installed, or the file cannot be used.
    """
    require("SKOS", "skos")
    import rdflib
    from rdflib.namespace import DCTERMS, RDF, SKOS

    text, form = read_bounded(path), FORMATS[path.suffix.lower()]
    _refuse_remote(text, form, path)
    try:
        graph: Any = rdflib.Graph().parse(data=text, format=form, publicID=DEFAULT_BASE)
    except Exception as error:  # rdflib's parsers raise errors of many kinds
        raise ConfigError(f"{path} is not readable {form}: {str(error)[:200]}.") from error
    own = rdflib.Namespace(NS)
    films = {film: str(name) for film, name in graph.subject_objects(DCTERMS.identifier)}
    groups: dict[str, SheetGroup] = {}
    place: dict[str, str] = {}

    def put(film: Any, key: str) -> None:
        if film not in films or films[film] in place:
            why = "has no dcterms:identifier" if film not in films else "is in two sub-genres"
            raise ConfigError(f"{path}: the film <{film}> {why}.")
        place[films[film]] = key

    for concept in sorted(set(graph.subjects(RDF.type, SKOS.Concept))):
        members = sorted(graph.objects(concept, own.member))
        if not members:
            continue  # a genre, or part of another vocabulary
        notations = sorted(map(str, graph.objects(concept, SKOS.notation)))
        name = _label(sorted(graph.objects(concept, SKOS.prefLabel)), concept, path)
        id_ = notations[0] if notations else ""
        key = id_ or f"={name}"
        if len(notations) > 1 or key in groups:
            raise ConfigError(
                f"{path}: {key} stands for more than one sub-genre, or <{concept}> has several notations."
            )
        groups[key] = SheetGroup(id_, name)
        for film in members:
            put(film, key)
    for film in sorted(set(graph.objects(None, own.unplaced))):
        put(film, "")
    if not place:
        raise ConfigError(
            f"{path} has no sub-genre with films (<{NS}member>). Edit a file from `cinegrain atlas export`."
        )
    versions = [str(v) for v in graph.objects(None, own.version)]
    version = int(versions[0]) if len(versions) == 1 and versions[0].isascii() and versions[0].isdigit() else None
    return Sheet(version, groups, place)


def _label(labels: list[Any], concept: Any, path: Path) -> str:
    """The label; of several, that without a language."""
    plain = [label for label in labels if not getattr(label, "language", None)]
    if len(labels) == 1 or len(plain) == 1:
        return str((plain or labels)[0])
    raise ConfigError(f"{path}: <{concept}> has {len(labels)} skos:prefLabel; give one, or one without a language.")


def _refuse_remote(text: str, form: str, path: Path) -> None:
    """Raises if parsing would fetch something or expand entities."""
    if form == "xml" and "<!doctype" in text.lower():
        raise ConfigError(
            f"{path} has a DOCTYPE, which may refer to other files. Save it as plain RDF/XML without one."
        )
    if form != "json-ld":
        return
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not readable JSON-LD: {error}.") from error
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            contexts = value.get("@context", [])
            contexts = contexts if isinstance(contexts, list) else [contexts]
            if "@import" in value or any(isinstance(context, str) for context in contexts):
                raise ConfigError(
                    f"{path} refers to an external context, which is not fetched. Save it with the context inside."
                )
            waiting += value.values()


def _check(base: str, language: str) -> None:
    if ":" not in base or any(c.isspace() or c in '<>"{}|\\^`' for c in base):
        raise ConfigError(
            f"--base must be the beginning of a URI, such as https://archive.org/genres/; found {base!r}."
        )
    if language and not all(part.isascii() and part.isalnum() for part in language.split("-")):
        raise ConfigError(f"--language must be a tag such as en or pt-BR; found {language!r}.")
