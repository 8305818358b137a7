"""Requests to the API, validated."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from cinegrain.atlas.edits import MAX_NAME_CHARS, MAX_REASON_CHARS

MOST_FILMS_AN_EDIT = 10_000
Id: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Films: TypeAlias = Annotated[list[Id], Field(min_length=1, max_length=MOST_FILMS_AN_EDIT)]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS)]
MaybeName: TypeAlias = Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS)]


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Rename(_Wish):
    """Rename a sub-genre."""

    do: Literal["rename"]
    subgenre: Id
    name: Name


class Merge(_Wish):
    """Merge sub-genres into one."""

    do: Literal["merge"]
    into: Id
    others: Films


class Split(_Wish):
    """Move films of a sub-genre into a new one."""

    do: Literal["split"]
    subgenre: Id
    trailers: Films
    name: MaybeName = ""


class Move(_Wish):
    """Move films to another sub-genre."""

    do: Literal["move"]
    trailers: Films
    to: Id


class Lock(_Wish):
    """Lock or unlock a sub-genre."""

    do: Literal["lock", "unlock"]
    subgenre: Id


class Accept(_Wish):
    """Make a new sub-genre of new films."""

    do: Literal["accept"]
    trailers: Films
    name: MaybeName = ""


class Undo(_Wish):
    """Undo entries; the last one by default."""

    do: Literal["undo"]
    entries: Annotated[list[Id], Field(max_length=100)] = []


Wish: TypeAlias = Annotated[Rename | Merge | Split | Move | Lock | Accept | Undo, Field(discriminator="do")]


class EditRequest(BaseModel):
    """An edit, with editor, reason, and the version of the atlas that the editor saw."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=0, le=10**9)]
    by: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    why: Annotated[str, StringConstraints(max_length=MAX_REASON_CHARS)] = ""
    edit: Wish


class SearchRequest(BaseModel):
    """Films to compare with, weights of modalities and genres, and words."""

    model_config = ConfigDict(extra="forbid")

    film: Annotated[str, StringConstraints(max_length=500)] = ""
    at_s: Annotated[float, Field(ge=0, le=10**6)] | None = None
    subgenre: Annotated[str, StringConstraints(max_length=500)] = ""
    words: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=80)]], Field(max_length=10)] = []
    weights: dict[Literal["audio", "location", "motion", "image", "genres"], Annotated[float, Field(ge=0, le=100)]] = {}
    top_k: Annotated[int, Field(ge=1, le=100)] = 12


class Message(BaseModel):
    """An error message."""

    message: str
