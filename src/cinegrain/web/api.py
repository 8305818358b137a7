"""The HTTP API, version 1, for the explorer's pages and for scripts."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse

from cinegrain.atlas.edit import Editor, PastEntry, history_rows
from cinegrain.atlas.edits import Entry
from cinegrain.atlas.imported import write_sheet
from cinegrain.atlas.sheet import sheet_of
from cinegrain.errors import ConfigError, NotFoundError
from cinegrain.media.facts import heard_track
from cinegrain.media.files import check_regular_file, text_path
from cinegrain.pipeline.answers.similar import WhyAlike, similar_films, why_alike
from cinegrain.results import Neighbour, to_json
from cinegrain.runs.artifacts import key_of
from cinegrain.search.criteria import ALIKE
from cinegrain.search.find import search_films
from cinegrain.search.query import Like, LikeSubgenre, make_query
from cinegrain.types import JsonObject
from cinegrain.web import views
from cinegrain.web.explorer import Explorer
from cinegrain.web.guard import REPORT_POLICY
from cinegrain.web.loudness_worker import STEP_S, LoudnessWorker
from cinegrain.web.points import MOST_POINTS, Filter, points
from cinegrain.web.replies import (
    Comparison,
    Edited,
    FiguresView,
    FilmView,
    Found,
    GenreView,
    Loudness,
    Points,
    ProposalView,
    RunView,
    SceneView,
    ShortFilm,
    SubGenreView,
    UploadView,
)
from cinegrain.web.requests import EditRequest, Message, SearchRequest
from cinegrain.web.uploads import Uploads

_Text = Annotated[str, Query(max_length=500)]
_Film = Annotated[str, Query(min_length=1, max_length=500, description="Id of a film")]
_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm", ".mkv": "video/webm"}
_EXPORTS = {"csv": "text/csv; charset=utf-8", "json": "application/json", "ttl": "text/turtle; charset=utf-8"}
_SAID: dict[int | str, dict[str, Any]] = {
    status: {"model": Message} for status in (400, 404, 408, 409, 413, 415, 416, 422, 429, 503, 507)
}


def make_api(explorer: Explorer, uploads: Uploads, ear: LoudnessWorker) -> APIRouter:
    """Routes of one run."""
    api = APIRouter(prefix="/api/v1", responses=_SAID)
    _add_run(api, explorer)
    _add_films(api, explorer, ear)
    _add_subgenres(api, explorer)
    _add_uploads(api, uploads)
    return api


def openapi() -> JsonObject:
    """OpenAPI schema; the explorer's TypeScript types are generated from it (`make ui`)."""
    nothing: Any = None  # routes are only described, never called
    return get_openapi(title="Cinegrain", version="1", routes=make_api(nothing, nothing, nothing).routes)


def _add_run(api: APIRouter, explorer: Explorer) -> None:
    @api.get("/run", response_model=RunView)
    def run(request: Request) -> Response:
        """Overview of the run: genres, sub-genres with positions on the map, columns to colour by."""
        return _once(request, explorer, lambda: views.run_view(explorer, explorer.state()))

    @api.get("/points", response_model=Points)
    def get_points(
        request: Request,
        text: _Text = "",
        genre: Annotated[list[str], Query(max_length=100)] = [],  # noqa: B006 (FastAPI copies it)
        subgenre: Annotated[list[str], Query(max_length=1000)] = [],  # noqa: B006
        year_from: Annotated[int | None, Query(ge=-10_000, le=10_000)] = None,
        year_to: Annotated[int | None, Query(ge=-10_000, le=10_000)] = None,
        sure: Annotated[float, Query(ge=0, le=1)] = 0.0,
        box: Annotated[list[float], Query(max_length=4, description="x from, y from, x to, y to")] = [],  # noqa: B006
        column: Annotated[str, Query(max_length=200, description="A text of the catalogue to colour by")] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_POINTS)] = MOST_POINTS,
    ) -> Response:
        """Films that match a filter, as columns; an even sample if there are more than `limit`, with their number."""
        if len(box) not in (0, 4):
            raise ConfigError("box takes four numbers: x from, y from, x to, y to.")
        sides = (box[0], box[1], box[2], box[3]) if box else None
        ask = Filter(text, genre, subgenre, (year_from, year_to), sure, sides)
        return _once(request, explorer, lambda: points(explorer, explorer.state(), ask, limit=limit, column=column))

    @api.get("/proposals", response_model=list[ProposalView])
    def proposals(request: Request) -> Response:
        """Possible new sub-genres of films added later; make one with the edit `accept`."""
        return _once(request, explorer, lambda: views.proposals_view(explorer.state()))

    @api.get("/history", response_model=list[PastEntry])
    def history() -> Response:
        """Every edit, latest first."""
        return _reply(history_rows(explorer.state().atlas)[::-1])

    @api.get("/figures", response_model=FiguresView)
    def figures() -> Response:
        """Figures of training, evaluation and ablation."""
        return _reply(views.figures_view(explorer.run, explorer.state().atlas.found))

    @api.get("/pages/{name}", response_class=Response)
    def page(name: Literal["report", "evaluation", "ablation"]) -> Response:
        """A finished page of the run, sandboxed."""
        headers = {"content-security-policy": REPORT_POLICY}
        return Response(views.page_file(explorer.run, name), media_type="text/html; charset=utf-8", headers=headers)

    @api.get("/export/{kind}", response_class=Response)
    def export(kind: Literal["csv", "json", "ttl"]) -> Response:
        """The atlas as a file, which can be edited and imported again."""
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / f"atlas.{kind}"
            write_sheet(file, sheet_of(explorer.state().atlas))
            content = file.read_bytes()
        headers = {"content-disposition": f'attachment; filename="atlas.{kind}"'}
        return Response(content, media_type=_EXPORTS[kind], headers=headers)

    @api.post("/edits", response_model=Edited)
    def edit(wish: EditRequest) -> Response:
        """Edits the atlas. 409 means that it has been edited since; nothing is done then."""
        editor = Editor(explorer.run, wish.by, wish.why, wish.version, lambda: explorer.state().atlas)
        entries = _edit(editor, wish.edit)
        return _reply(Edited(explorer.state().atlas.version, entries))


def _add_films(api: APIRouter, explorer: Explorer, ear: LoudnessWorker) -> None:
    @api.get("/film", response_model=FilmView)
    def film(request: Request, id: _Film) -> Response:  # noqa: A002 (the parameter's public name)
        """A film: genres with reasons, sub-genre and runner-up, concepts, and similar films."""
        return _once(request, explorer, lambda: views.film_view(explorer, explorer.state(), id))

    @api.get("/film/timeline", response_model=list[SceneView])
    def timeline(request: Request, id: _Film) -> Response:  # noqa: A002
        """Scenes of a film with the best concepts of every expert."""
        return _once(request, explorer, lambda: views.timeline(explorer, id))

    @api.get("/film/loudness", response_model=Loudness)
    def get_loudness(id: _Film) -> Response:  # noqa: A002
        """Sound level in dBFS per half second; null is silence."""
        record = explorer.record(id)
        found = ear.loudness(_video(explorer, id), record.duration_s, heard_track(record.facts))
        return _reply(Loudness(STEP_S, found))

    @api.get("/film/similar", response_model=list[Neighbour])
    def similar(
        id: _Film,  # noqa: A002
        mode: Literal["", "audio", "location", "motion", "image"] = "",
        top_k: Annotated[int, Query(ge=1, le=100)] = 8,
    ) -> Response:
        """The most similar films, overall or by one modality."""
        state = explorer.state()
        row = state.row_of(id)
        encoded = state.atlas.encoded[row]
        return _reply(similar_films(state.atlas, encoded, top_k=top_k, modality=mode or None, row=row))

    @api.get("/film/thumb", response_class=Response)
    def thumb(id: _Film, scene: Annotated[int | None, Query(ge=0, le=10**6)] = None) -> Response:  # noqa: A002
        """Picture of a scene, or the most representative one of the film, as JPEG."""
        explorer.record(id)
        found = views.picture(explorer.scenes(id), scene)
        return Response(found, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    @api.get("/film/video", response_class=Response)
    def video(request: Request, id: _Film) -> Response:  # noqa: A002
        """The video; serves one range at a time."""
        return _send_video(request, _video(explorer, id))

    @api.get("/pair", response_model=WhyAlike)
    def pair(a: _Film, b: _Film) -> Response:
        """Why two films are similar: contribution of each modality, and common concepts."""
        state = explorer.state()
        return _reply(why_alike(state.atlas, state.row_of(a), state.row_of(b)))

    @api.get("/compare", response_model=Comparison)
    def compare(kind: Literal["film", "subgenre", "genre"], a: _Text, b: _Text) -> Response:
        """Two films, sub-genres or genres side by side."""
        return _reply(views.compare_view(explorer, explorer.state(), kind, a, b))

    @api.post("/search", response_model=Found)
    def search(ask: SearchRequest) -> Response:
        """Films similar to others by the given weights, or that match words."""
        library = explorer.library()
        weights: Mapping[str, float] = {str(name): weight for name, weight in ask.weights.items()} or ALIKE
        likes: list[Like | LikeSubgenre] = []
        if ask.film:
            if ask.film not in library.number:
                raise library.names.unknown(ask.film)
            likes.append(Like(ask.film, weights, ask.at_s))
        if ask.subgenre:
            likes.append(LikeSubgenre(ask.subgenre, weights))
        query = make_query(library, likes, words=ask.words)
        found = search_films(library, query, top_k=ask.top_k)
        return _reply(Found(found, found.notes))


def _add_subgenres(api: APIRouter, explorer: Explorer) -> None:
    @api.get("/subgenre", response_model=SubGenreView)
    def subgenre(request: Request, id: _Film) -> Response:  # noqa: A002
        """A sub-genre: its card, films with outliers last, exemplars, and its history."""
        return _once(request, explorer, lambda: views.subgenre_view(explorer, explorer.state(), id))

    @api.get("/subgenre/halves", response_model=list[list[ShortFilm]])
    def halves(id: _Film) -> Response:  # noqa: A002
        """The two clusters of a sub-genre, as a preview of a split."""
        return _reply(views.halves_view(explorer.state(), id))

    @api.get("/genre", response_model=GenreView)
    def genre(request: Request, name: _Film) -> Response:
        """A genre: its films, influence of modalities, and its sub-genres."""
        return _once(request, explorer, lambda: views.genre_view(explorer.state(), name))


def _add_uploads(api: APIRouter, uploads: Uploads) -> None:
    @api.post("/uploads", status_code=202, response_model=UploadView, openapi_extra=_BODY)
    async def upload(request: Request, name: Annotated[str, Query(min_length=1, max_length=300)]) -> Response:
        """Receives a video as the body of the request, and queues it for prediction."""
        length = request.headers.get("content-length", "")
        announced = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None
        return _reply(await uploads.receive(name, request.stream(), announced), 202)

    @api.get("/uploads", response_model=list[UploadView])
    def get_uploads() -> Response:
        """Every upload since the server started, latest first."""
        return _reply(uploads.all())

    @api.get("/uploads/{id_}", response_model=UploadView)
    def get_upload(id_: str) -> Response:
        """State of an upload, with its prediction when ready."""
        return _reply(uploads.get(id_))

    @api.delete("/uploads/{id_}", response_model=UploadView)
    def cancel(id_: str) -> Response:
        """Cancels an upload and deletes its file."""
        return _reply(uploads.cancel(id_))

    @api.post("/uploads/{id_}/join", response_model=UploadView)
    def join(id_: str) -> Response:
        """Adds an upload with a prediction to the atlas."""
        return _reply(uploads.join(id_))

    @api.get("/uploads/{id_}/video", response_class=Response)
    def upload_video(request: Request, id_: str) -> Response:
        """Video of an upload; serves one range at a time."""
        return _send_video(request, uploads.file(id_))


_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"format": "binary"}}}}}


def _once(request: Request, explorer: Explorer, make: Callable[[], object]) -> Response:
    """JSON with an ETag, so that browsers can cache it."""
    tag = f'"{key_of(explorer.state().stamp, str(request.url))[:24]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    content = explorer.answer(tag, lambda: _dumped(make()))
    return Response(content, media_type="application/json", headers=headers)


def _reply(value: object, status: int = 200) -> Response:
    return Response(_dumped(value), status, media_type="application/json")


def _dumped(value: object) -> bytes:
    plain = to_json(value)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")


def _video(explorer: Explorer, trailer_id: str) -> Path:
    """File of a film of this run, by the dataset's path; never by a path from a request.

    Raises:
        NotFoundError: If it is not on this machine.
        MediaError: If it is not a regular file.
    """
    if views.video_type(explorer, trailer_id) is None:
        raise NotFoundError("This film's video is not on this machine: it was moved, or is at a URL.")
    path = text_path(explorer.record(trailer_id).path)
    check_regular_file(path)
    return path


def _send_video(request: Request, path: Path) -> Response:
    if request.headers.get("range", "").count(",") > 0:
        return Response(status_code=416)
    kind = _TYPES.get(path.suffix.lower(), "application/octet-stream")
    return FileResponse(path, media_type=kind, headers={"cache-control": "private, max-age=60"})


def _edit(editor: Editor, wish: Any) -> tuple[Entry, ...]:
    do: dict[str, Callable[[], Any]] = {
        "rename": lambda: editor.rename(wish.subgenre, wish.name),
        "merge": lambda: editor.merge(wish.into, wish.others),
        "split": lambda: editor.split(wish.subgenre, wish.trailers, wish.name),
        "move": lambda: editor.move(wish.trailers, wish.to),
        "lock": lambda: editor.lock(wish.subgenre),
        "unlock": lambda: editor.unlock(wish.subgenre),
        "accept": lambda: editor.accept(wish.trailers, wish.name),
        "undo": lambda: editor.undo(wish.entries),
    }
    found = do[wish.do]()
    return found if isinstance(found, tuple) else (found,)


if __name__ == "__main__":
    print(json.dumps(openapi(), indent=1))
