"""Finds the columns of a catalogue."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from cinegrain.errors import ConfigError
from cinegrain.readers.catalog.folding import fold
from cinegrain.readers.catalog.notes import Notes

Role: TypeAlias = Literal["file", "genres", "trailer_id", "title", "year"]
ROLES: tuple[Role, ...] = ("file", "genres", "trailer_id", "title", "year")
ID_COLUMNS = (
    *("trailer_id", "id", "item_id", "itemid", "movie_id", "movieid", "mid", "imdb_id", "imdbid", "tconst"),
    *("video_id", "videoid", "youtube_id", "youtubeid", "key", "file", "path"),
)
_OWN: dict[Role, tuple[str, ...]] = {
    "file": ("file", "path"),
    "genres": ("genres",),
    "trailer_id": ("trailer_id",),
    "title": ("title",),
    "year": ("year",),
}
# Best first: our own names, then common ones in English, German, French, Spanish, Italian, Portuguese, Dutch
# and Turkish. Singular and plural, case, accents and blanks make no difference.
_COMMON: dict[Role, str] = {
    "file": "file|path|filename|file path|video file|trailer file|movie file|media file|file location|datei|dateiname|"
    "dateipfad|pfad|videodatei|fichier|nom du fichier|nom de fichier|chemin|chemin du fichier|archivo|fichero|"
    "nombre de archivo|nombre del archivo|ruta|nome file|nome del file|percorso|arquivo|ficheiro|nome do arquivo|"
    "nome do ficheiro|caminho|bestand|bestandsnaam|bestandspad|pad|dosya|dosya adı|dosya yolu|yol",
    "genres": "genres|genre|genre names|genre name|genre labels|genre label|film genre|movie genre|main genre|"
    "listed in|gattung|gattungen|filmgenre|género|géneros|genere|generi|gênero|gêneros|tür|türler|türü",
    "trailer_id": "trailer id",
    "title": "title|primary title|movie title|film title|english title|original title|titel|filmtitel|originaltitel|"
    "titre|titre du film|titre original|título|título original|titolo|titolo originale|başlık|film adı|adı|"
    "film label|movie label|item label|name|movie name|film name|nom|nombre|nome|naam|film|movie|película|filme",
    "year": "year|release year|start year|year of release|production year|year released|jahr|erscheinungsjahr|"
    "produktionsjahr|herstellungsjahr|année|année de sortie|année de production|año|año de estreno|anno|"
    "anno di uscita|ano|ano de lançamento|jaar|jaar van uitgave|yıl|yapım yılı|release date|released|publication date|"
    "date de sortie|erscheinungsdatum|veröffentlicht|fecha de estreno|data di uscita|data de lançamento|releasedatum",
}


def _plain(name: str) -> str:
    """A column's name without case, accents, spaces and plural s.

    >>> _plain("File_Name"), _plain("Géneros"), _plain("Genre(s)")
    ('filename', 'genero', 'genre')
    """
    return fold(name).removesuffix("s")


_KNOWN: dict[Role, tuple[str, ...]] = {
    role: tuple(dict.fromkeys(map(_plain, names.split("|")))) for role, names in _COMMON.items()
}
_NUMBERED_GENRE = re.compile(r"(?:main)?genres?\d{1,2}")


@dataclass(frozen=True)
class Reading:
    """Options for reading a catalogue.

    Attributes:
        columns: Column by role (file, genres, trailer_id, title, year), if its name is not recognised.
        genre_map: Table with the columns from and to, to rename genres.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    genre_map: Path | None = None


AS_FOUND = Reading()


def parse_columns(given: Sequence[str]) -> dict[str, str]:
    """`file=Datei,genres=Genre` as a dict.

    >>> parse_columns(["file=Datei, genres=Genre, Art", "year=Jahr"])
    {'file': 'Datei', 'genres': 'Genre, Art', 'year': 'Jahr'}

    Raises:
        ConfigError: If a part has no `=`, or an unknown role.
    """
    found: dict[str, str] = {}
    for text in given:
        for part in re.split(r",(?=\s*\w+\s*=)", text):
            role, equals, column = (piece.strip() for piece in part.partition("="))
            if not equals or not column:
                raise ConfigError(f"--columns takes file=NAME,genres=NAME and so on, not {part.strip()!r}.")
            found[role] = column
    check_roles(found)
    return found


def header_score(cells: Sequence[str], reading: Reading) -> int:
    """Number of roles that the cells of a row name: how likely it is the header."""
    names = {_plain(cell) for cell in cells if cell.strip()}
    told = {_plain(column) for column in reading.columns.values()}
    ids = set(map(_plain, ID_COLUMNS))
    numbered = any(_NUMBERED_GENRE.fullmatch(name) for name in names)
    return sum(bool(names & set(known)) for known in _KNOWN.values()) + bool(names & ids) + len(names & told) + numbered


def find_columns(
    columns: Sequence[str],
    path: Path,
    reading: Reading,
    notes: Notes,
    export: Mapping[str, str],
    *,
    by_id: bool = False,
) -> dict[Role, tuple[str, ...]]:
    """Columns by role: as given, as in a known export, by our own names, by common names, in this order.

    Args:
        columns: All names.
        path: The catalogue, for messages.
        reading: Options.
        notes: Receives a note about every guess.
        export: Columns by role if the table is a known export.
        by_id: Whether films have an id in one of ID_COLUMNS instead of a file.

    Returns:
        One column per role; several for genres. Roles without a column are left out.

    Raises:
        ConfigError: If a given column does not exist.
    """
    check_roles(reading.columns)
    found: dict[Role, tuple[str, ...]] = {}
    taken: set[str] = set()
    for role in ROLES:
        if role in reading.columns:
            found[role] = (_told(reading.columns[role], role, columns, path),)
            taken.update(found[role])
    for role in ROLES:
        if role in found:
            continue
        names = _find(role, columns, taken, export.get(role), by_id)
        if not names:
            continue
        found[role] = names
        taken.update(names)
        own = {*_OWN[role], *(ID_COLUMNS if by_id and role == "trailer_id" else ())}
        if names[0] != export.get(role) and {name.strip().lower() for name in names} - own:
            is_or_are = "column {} is" if len(names) == 1 else "columns {} are"
            notes.add(f"{is_or_are.format(', '.join(map(repr, names)))} used as {role}")
    return found


def _find(role: Role, columns: Sequence[str], taken: set[str], of_export: str | None, by_id: bool) -> tuple[str, ...]:
    free = [name for name in columns if name not in taken]
    by_lower = {name.strip().lower(): name for name in reversed(free)}
    own = ID_COLUMNS if by_id and role == "trailer_id" else _OWN[role]
    if by_id and role == "file":
        return ()
    if role != "file" and of_export in free:
        return (of_export,)
    if exact := next((by_lower[name] for name in own if name in by_lower), None):
        return (exact, *_numbered(free, exact)) if role == "genres" else (exact,)
    by_plain = {_plain(name): name for name in reversed(free)}
    if known := next((by_plain[name] for name in _KNOWN[role] if name in by_plain), None):
        return (known, *_numbered(free, known)) if role == "genres" else (known,)
    return _numbered(free, "") if role == "genres" else ()


def _numbered(columns: Sequence[str], but: str) -> tuple[str, ...]:
    """Columns such as genre1, genre_2 and `genres (2)`, and a second `Genre`."""
    return tuple(
        name for name in columns if name != but and (_plain(name) == "genre" or _NUMBERED_GENRE.fullmatch(fold(name)))
    )


def _told(name: str, role: str, columns: Sequence[str], path: Path) -> str:
    if name in columns:
        return name
    alike = [column for column in columns if fold(column) == fold(name)]
    if alike:
        return alike[0]
    raise ConfigError(
        f"--columns {role}={name}: {path} has no such column; it has: {', '.join(columns)}.{nearest(name, columns)}"
    )


def check_roles(given: Mapping[str, str]) -> None:
    """Checks the roles of columns.

    Raises:
        ConfigError: If one is unknown.
    """
    for role in given:
        if role not in ROLES:
            raise ConfigError(
                f"{role!r} is not a role of --columns. Roles are {', '.join(ROLES)}.{nearest(role, ROLES)}"
            )


def nearest(name: str, names: Sequence[str]) -> str:
    """` Did you mean ...?`, or "" if no name is similar."""
    by_fold = {fold(other): other for other in reversed(names)}
    near = difflib.get_close_matches(fold(name), by_fold, 1)
    return f" Did you mean {by_fold[near[0]]!r}?" if near else ""
