"""ASGI middleware: only pages of this server have access, and from other machines only with its token."""

import hmac
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "cinegrain_token"
_SAFE = ("GET", "HEAD", "OPTIONS")

# unsafe-eval because regl, which draws the map, compiles its draw calls with `Function`.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# Pages of the run contain scripts: they get an opaque origin and no network.
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
    """Refuses requests that are not from this server's pages, and adds security headers."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], token: str = "") -> None:
        """Wraps an application.

        Args:
            app: The application.
            hosts: Allowed host names, against DNS rebinding; not checked if there is a token.
            token: Token that visitors need; "" for this machine alone.
        """
        self._app, self._hosts, self._token = app, frozenset(hosts), token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forwards or refuses a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # WebSockets are not served

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
                return _refuse(403, "Pages of other sites may not change anything here.")
        return self._stopped_at_the_door(scope, headers) if self._token else None

    def _stopped_at_the_door(self, scope: Scope, headers: Headers) -> Response | None:
        """Checks the token; one in the URL is moved into a cookie."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = dict(query).get("token")
        if shown is not None and scope["method"] == "GET" and not scope["path"].startswith("/api/"):
            if not self._is_token(shown):
                return _refuse(401, "The token is wrong. Ask whoever started the server for the full URL.")
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            welcome = RedirectResponse(scope["path"] + (f"?{rest}" if rest else ""), status_code=303)
            welcome.set_cookie(COOKIE, shown, httponly=True, samesite="strict", path="/")
            return welcome
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(bearer) or self._is_token(_cookie(headers)):
            return None
        return _refuse(401, "This explorer needs its token: open the full URL that `cinegrain serve` printed.")

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
