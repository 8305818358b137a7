"""What the API takes: checked before anything is done with it."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from cinegrain.atlas.edits import LONGEST_NAME, LONGEST_REASON

MOST_FILMS_AN_EDIT = 10_000
Id: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Films: TypeAlias = Annotated[list[Id], Field(min_length=1, max_length=MOST_FILMS_AN_EDIT)]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]
MaybeName: TypeAlias = Annotated[str, StringConstraints(max_length=LONGEST_NAME)]


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Rename(_Wish):
    """Give a sub-genre a name."""

    do: Literal["rename"]
    subgenre: Id
    name: Name


class Merge(_Wish):
    """Make other sub-genres parts of one."""

    do: Literal["merge"]
    into: Id
    others: Films


class Split(_Wish):
    """Take films out of a sub-genre into a new one."""

    do: Literal["split"]
    subgenre: Id
    trailers: Films
    name: MaybeName = ""


class Move(_Wish):
    """Put films into another sub-genre."""

    do: Literal["move"]
    trailers: Films
    to: Id


class Lock(_Wish):
    """Keep a sub-genre as it is, or no longer."""

    do: Literal["lock", "unlock"]
    subgenre: Id


class Accept(_Wish):
    """Make a new sub-genre of films that fit nowhere."""

    do: Literal["accept"]
    trailers: Films
    name: MaybeName = ""


class Undo(_Wish):
    """Take entries back, the last that stands if none is named."""

    do: Literal["undo"]
    entries: Annotated[list[Id], Field(max_length=100)] = []


Wish: TypeAlias = Annotated[Rename | Merge | Split | Move | Lock | Accept | Undo, Field(discriminator="do")]


class EditRequest(BaseModel):
    """An edit, by whom and why, and the version of the atlas that the editor had before them."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=0, le=10**9)]
    by: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    why: Annotated[str, StringConstraints(max_length=LONGEST_REASON)] = ""
    edit: Wish


class SearchRequest(BaseModel):
    """Films to be like, by the weight of each mode and of genres, and words that fit."""

    model_config = ConfigDict(extra="forbid")

    film: Annotated[str, StringConstraints(max_length=500)] = ""
    at_s: Annotated[float, Field(ge=0, le=10**6)] | None = None
    subgenre: Annotated[str, StringConstraints(max_length=500)] = ""
    words: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=80)]], Field(max_length=10)] = []
    weights: dict[Literal["audio", "location", "motion", "image", "genres"], Annotated[float, Field(ge=0, le=100)]] = {}
    top_k: Annotated[int, Field(ge=1, le=100)] = 12


class Message(BaseModel):
    """What went wrong, and what to do."""

    message: str
