"""The explorer's web application and server."""

import ipaddress
import logging
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from cinegrain import __version__
from cinegrain.errors import (
    CinegrainError,
    ConfigError,
    ConflictError,
    EditError,
    MediaError,
    NotFoundError,
    StoreError,
)
from cinegrain.runs.layout import Run
from cinegrain.web.api import make_api
from cinegrain.web.explorer import Explorer
from cinegrain.web.guard import Guard
from cinegrain.web.loudness_worker import LoudnessWorker
from cinegrain.web.uploads import Limits, RefusedError, Uploads

STATIC = Path(__file__).parent / "static"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_STATUS: tuple[tuple[type[CinegrainError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (EditError, 422),
    (ConfigError, 422),
    (StoreError, 422),
    (MediaError, 422),
)
log = logging.getLogger(__name__)


def make_app(run: Run, *, token: str = "", limits: Limits | None = None, hosts: Sequence[str] = LOOPBACK) -> FastAPI:
    """The application of one run.

    Args:
        run: A finished run.
        token: Token that visitors need; "" for this machine alone.
        limits: Limits of uploads.
        hosts: Allowed host names without a token.

    Raises:
        StoreError: If the run is not finished.
        ConfigError: If the pages have not been built.
    """
    if not (STATIC / "index.html").is_file():
        raise ConfigError("The explorer's pages are not built. In a checkout: `make ui`, which needs Node.js.")
    explorer = Explorer(run)
    uploads, ear = Uploads(run, limits or Limits(), explorer.videos()), LoudnessWorker()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        uploads.close()
        ear.close()

    app = FastAPI(
        title="Cinegrain explorer",
        version=__version__,
        summary="A run's films, genres and sub-genres; edits of its atlas; predictions for uploaded films.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page would load files from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(make_api(explorer, uploads, ear))

    @app.exception_handler(CinegrainError)
    def on_our_error(_: Request, error: CinegrainError) -> JSONResponse:
        known = next((status for kind, status in _STATUS if isinstance(error, kind)), 503)
        status = error.status if isinstance(error, RefusedError) else known
        return JSONResponse({"message": str(error)}, status_code=status)

    @app.exception_handler(RequestValidationError)
    def on_bad_request(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"message": f"{where}: {first['msg']}"}, status_code=422)

    @app.exception_handler(HTTPException)
    def on_http_error(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"message": error.detail}, status_code=error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    def on_unforeseen(_: Request, error: Exception) -> JSONResponse:
        log.error("unexpected error", exc_info=error)
        return JSONResponse({"message": "The server failed; its log has the reason."}, status_code=500)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/assets", StaticFiles(directory=STATIC / "assets"), name="assets")
    app.add_middleware(Guard, hosts=hosts, token=token)
    return app


class Server:
    """A run's explorer, served from a thread of this process until `stop`; a context manager that stops at its end.

    Attributes:
        url: What to open in a browser.
    """

    def __init__(self, run: Run, *, host: str, port: int, limits: Limits) -> None:
        """Listens at once; arguments and errors as of `serve`."""
        self._server, self._listener, self.url = _listen(run, host, port, limits)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True, name="explorer")
        self._thread.start()

    def stop(self) -> None:
        """Stops the server and waits for its end; may be called again."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<explorer at {self.url}>"

    def _repr_html_(self) -> str:
        return f'<a href="{escape(self.url)}" target="_blank" rel="noopener">{escape(self.url)}</a>'


def serve(run: Run, *, host: str, port: int, limits: Limits, on_ready: Callable[[str], None]) -> None:
    """Serves a run until Ctrl-C.

    Args:
        run: A finished run.
        host: Address to listen on; for other machines a token is created, which visitors need.
        port: Port; 0 for any free one.
        limits: Limits of uploads.
        on_ready: Called with the URL when the server is ready.

    Raises:
        StoreError: If the run is not finished.
        ConfigError: If the address is not available.
    """
    server, listener, address = _listen(run, host, port, limits)
    on_ready(address)
    server.run(sockets=[listener])


def _listen(run: Run, host: str, port: int, limits: Limits) -> tuple[uvicorn.Server, socket.socket, str]:
    """A server that is not running yet, its listening socket, and its URL."""
    token = "" if _is_loopback(host) else secrets.token_urlsafe(24)
    app = make_app(run, token=token, limits=limits, hosts=(*LOOPBACK, host))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Declared as TCP, so that asyncio sets TCP_NODELAY; small answers take 40 ms otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(socket.SOMAXCONN)  # requests before the loop runs wait
    except OSError as error:
        raise ConfigError(f"Cannot listen at {host}:{port}: {error.strerror or error}. Try another --port.") from error
    shown = f"[{host}]" if ":" in host else socket.gethostname() if host in ("0.0.0.0", "::") else host
    address = f"http://{shown}:{listener.getsockname()[1]}/" + (f"?token={token}" if token else "")
    # No access log, since URLs may contain the token.
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=30)
    return uvicorn.Server(config), listener, address


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
