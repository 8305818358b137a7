"""Who may ask: only pages of this server, and beyond this machine only with its token. Plain ASGI, before all else."""

import hmac
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "cinegrain_token"
_SAFE = ("GET", "HEAD", "OPTIONS")

# regl, which draws the map, compiles its draw calls with `Function`: hence unsafe-eval, and nothing inline.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# Pages that the run holds have their scripts inside: they get an origin of their own and may ask for nothing.
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Refuses what does not come from this server's own pages, and adds the headers that keep them safe."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], token: str = "") -> None:
        """Stands before an application.

        Args:
            app: The application.
            hosts: Names by which it may be called on this machine; what a name server elsewhere makes of its own names
                (DNS rebinding) is refused. Not asked where a token is.
            token: What a visitor must show; "" on this machine alone.
        """
        self._app, self._hosts, self._token = app, frozenset(hosts), token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no WebSocket is served

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("content-security-policy", PAGE_POLICY)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._token and urlsplit(f"//{host}").hostname not in self._hosts:
            return _refuse(403, f"This server answers to {', '.join(sorted(self._hosts))} only.")
        if scope["method"] not in _SAFE:
            site, origin = headers.get("sec-fetch-site", "none"), headers.get("origin")
            own = origin is None or urlsplit(origin).netloc == host
            if site not in ("same-origin", "none") or not own:
                return _refuse(403, "Another site's page may not change anything here.")
        return self._stopped_at_the_door(scope, headers) if self._token else None

    def _stopped_at_the_door(self, scope: Scope, headers: Headers) -> Response | None:
        """Lets in who shows the token; one in the address is put into a cookie and taken out of the address."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = dict(query).get("token")
        if shown is not None and scope["method"] == "GET" and not scope["path"].startswith("/api/"):
            if not self._is_token(shown):
                return _refuse(401, "This is not the right token. Ask who started the server for the whole address.")
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            welcome = RedirectResponse(scope["path"] + (f"?{rest}" if rest else ""), status_code=303)
            welcome.set_cookie(COOKIE, shown, httponly=True, samesite="strict", path="/")
            return welcome
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(bearer) or self._is_token(_cookie(headers)):
            return None
        return _refuse(401, "This explorer needs its token: open the whole address that `cinegrain serve` printed.")

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())


def _cookie(headers: Headers) -> str:
    try:
        kept = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return kept.value if kept else ""


def _refuse(status: int, message: str) -> JSONResponse:
    return JSONResponse({"message": message}, status_code=status)
