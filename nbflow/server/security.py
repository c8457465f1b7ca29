"""Authentication, allowed hosts and origins, limits of requests, and the security headers of every response.

Every request passes `Guard` before a route sees it. A request is refused by its head where that suffices, or as soon as
its body exceeds the limit. Every path but `/health` needs the token. A page gets the token once, in its address, and
from then on a cookie that no script can read; a request with the cookie must come from a page of this server or of an
allowed origin. `Access` is pure: it maps the head of a request to an error or None.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from nbflow.serve.addresses import is_used_login, redeem_login
from nbflow.server.errors import LimitError, RequestError, answer, problem_of
from nbflow.server.options import Options
from nbflow.server.rate_limit import Rates
from nbflow.server.slow_clients import is_full

# Scripts, styles and images only from this server; `data:` is for images among the values of a run.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


BODY_S, BODY_RATE = 10.0, 100_000
"""The seconds within which a body must arrive, and the bytes for which it gets another second."""


_FORM_SIZE = 4_000
_FORM = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · nbflow</title><link rel="icon" href="data:,"></head>
<body><main><h1>nbflow</h1>%s
<form method="post" action="login"><label>Token <input name="token" type="password" autocomplete="current-password"
required autofocus></label> <button>Log in</button></form>
<p>The token is the value of NBFLOW_TOKEN, or stands in the address that <code>nbflow serve</code> printed.</p>
</main></body></html>
"""


class Guard:
    """The middleware that refuses requests and sets the security headers of every response."""

    def __init__(self, app: ASGIApp, access: Access, options: Options) -> None:
        self._app, self._access, self._options = app, access, options
        self._rates = Rates(options.max_rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the application, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        head = _head(scope)
        answering = _with_headers(send)
        error: RequestError | LimitError | None = self._too_many(scope, head) or self._too_fast(scope)
        if error is None and self._access.lets_page_in(head):
            await self._welcome()(scope, receive, answering)
        elif error is None and self._access.may_log_in(head):
            await self._log_in(scope, receive, answering)
        elif error := error or self._refusal(head):
            if _wants_page(head, error):
                note = f"T{USED_LINK[1:]}." if str(error) == USED_LINK else ""
                await _login_form(note)(scope, receive, answering)
            else:
                await _refuse(error, scope, receive, answering)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, answering)
        else:
            await self._let_in(scope, receive, answering)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log a person in whose form has the token; else show the form again."""
        try:
            given = parse_qs((await _body(receive, _FORM_SIZE)).decode("utf-8", "replace"), max_num_fields=10)
        except (LimitError, RequestError) as error:
            await _refuse(error, scope, receive, send)
            return
        except ValueError:
            given = {}
        tokens = given.get("token", [])
        is_right = len(tokens) == 1 and self._access.is_token(tokens[0].strip())
        await (self._welcome() if is_right else _login_form("This is not the token."))(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a request's body, then pass it on."""
        try:
            body = await _body(receive, self._options.max_body)
        except (LimitError, RequestError) as error:
            await _refuse(error, scope, receive, send)
        else:
            await self._app(scope, _again(body, receive), send)

    def _too_many(self, scope: Scope, head: Head) -> LimitError | None:
        if head.path == FREE or not is_full(scope):
            return None
        return LimitError(503, "too many connections are open", "max_connections", self._options.max_connections)

    def _too_fast(self, scope: Scope) -> LimitError | None:
        client = str((scope.get("client") or ("",))[0])
        if self._rates.allows(client, time.monotonic()):
            return None
        return LimitError(429, "requests come too fast", "max_rate", self._options.max_rate)

    def _refusal(self, head: Head) -> RequestError | LimitError | None:
        if refusal := self._access.refusal(head):
            return refusal
        lengths = head.all("content-length")
        if lengths and head.all("transfer-encoding"):
            # RFC 9112, 6.1: a proxy may have found another end of the body than we do (request smuggling).
            return RequestError(400, "a request has a Content-Length or a Transfer-Encoding, and not both")
        if any(length.isdecimal() and int(length) > self._options.max_body for length in lengths):
            return _too_large(self._options.max_body)
        return None

    def _welcome(self) -> Response:
        # Redirect to the address without the token, so that no history, log or Referer contains it.
        response = RedirectResponse("./", HTTPStatus.SEE_OTHER)
        response.set_cookie(self._access.cookie_name, self._access.cookie, path=None, httponly=True, samesite="strict")
        return response


def _head(scope: Scope) -> Head:
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    query = scope.get("query_string", b"").decode("latin-1")
    return Head(scope["type"], scope.get("method", "GET"), scope["path"], query, headers)


async def _refuse(error: RequestError | LimitError, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else {}
    response = answer(problem_of(error), headers)
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        response.headers["Connection"] = "close"  # the rest of its body is not read
        await response(scope, receive, send)


def _wants_page(head: Head, error: RequestError | LimitError) -> bool:
    """Return whether a browser requests the page without a token."""
    asks = head.kind == "http" and head.method == "GET" and head.path == "/" and "text/html" in head.one("accept")
    return asks and error.status == HTTPStatus.UNAUTHORIZED


def _login_form(note: str = "") -> Response:
    policy = POLICY.replace("form-action 'none'", "form-action 'self'").replace("script-src 'self'; ", "")
    headers = {
        "Content-Security-Policy": policy,
        "WWW-Authenticate": "Bearer",
        "Referrer-Policy": "same-origin",  # with no-referrer a browser sends `Origin: null` with a form
    }
    text = _FORM % (f'<p role="alert">{note}</p>' if note else "")
    return Response(text, HTTPStatus.UNAUTHORIZED, headers, media_type="text/html")


def _too_large(limit: int) -> LimitError:
    return LimitError(413, "the body is too large", "max_body", limit)


async def _body(receive: Receive, limit: int) -> bytes:
    """Return a request's body.

    Raises:
        LimitError: The body exceeds the limit, also if its Content-Length does not.
        RequestError: The body did not arrive in time.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S) as time:
            while True:
                message = await receive()
                part = message.get("body", b"") if message["type"] == "http.request" else b""
                parts.append(part)
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                if not message.get("more_body"):
                    return b"".join(parts)
                time.reschedule((time.when() or 0.0) + len(part) / BODY_RATE)
    except TimeoutError:
        raise RequestError(
            408, f"the body came too slowly: it has {BODY_S:g} s, and 1 s more for each 100 kB"
        ) from None


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that returns the body first, and then what the original one returns."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def _with_headers(send: Send) -> Send:
    async def sending(message: Any) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


USED_LINK = (
    "this login link was used before, and opens the page only once; log in with the token, or restart nbflow serve, "
    "which prints a new link"
)
FREE, LOGIN = "/health", "/login"
_LOCAL = ("127.0.0.1", "localhost", "::1")
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request. `kind` is `http` or `websocket`; the names of headers are in lower case."""

    kind: str
    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str:
        """Return the value of a header that occurs once, else an empty text."""
        found = self.all(name)
        return found[0] if len(found) == 1 else ""


class Access:
    """The access rules of one server.

    Args:
        token: The token that requests must send.
        hosts: Allowed host names besides those of this machine; `*` allows any.
        origins: Allowed origins besides the server's own.
        logins: The folder of login links, see `nbflow.serve.addresses.login_address`.
    """

    def __init__(
        self, token: str, *, hosts: Iterable[str] = (), origins: Iterable[str] = (), logins: Path | None = None
    ) -> None:
        self._logins = logins
        self._token = token.encode()
        self._hosts = {name.lower().strip("[]") for name in (*_LOCAL, *hosts)}
        self._origins = {origin.lower().rstrip("/") for origin in origins}
        # Derived from the token, so that the server stores none; a leaked cookie does not reveal the token.
        self.cookie = hmac.new(self._token, b"nbflow page", hashlib.sha256).hexdigest()
        self.cookie_name = f"nbflow-{hashlib.sha256(self._token).hexdigest()[:8]}"

    def refusal(self, head: Head) -> RequestError | None:
        """Return the error to refuse a request with, or None."""
        if head.path == FREE and head.kind == "http":
            return None
        if not self._is_called_rightly(head):
            return RequestError(421, "host not allowed; add its name to NBFLOW_ALLOWED_HOSTS")
        own = self._is_ours(head)
        if head.kind == "websocket" and head.all("origin") and not own:
            return self._foreign()
        if self._has_token(head):
            return None
        if not self._has_cookie(head):
            if self._is_used_link(head):
                return RequestError(401, USED_LINK)
            return RequestError(401, "a token is needed: send the header 'Authorization: Bearer TOKEN'")
        changes = head.kind == "websocket" or head.method not in _SAFE
        return self._foreign() if changes and not own else None

    def lets_page_in(self, head: Head) -> bool:
        """Return whether a request loads the page with the token or an unused login link in its address."""
        if head.kind != "http" or head.method != "GET" or head.path != "/" or not self._is_called_rightly(head):
            return False
        match _query(head):
            case {"token": [token]}:
                return self.is_token(token)
            case {"login": [code]}:
                return self._logins is not None and redeem_login(self._logins, code)
        return False

    def _is_used_link(self, head: Head) -> bool:
        match _query(head):
            case {"login": [code]}:
                return head.path == "/" and self._logins is not None and is_used_login(self._logins, code)
        return False

    def may_log_in(self, head: Head) -> bool:
        """Return whether a request submits the login form of this server."""
        sends = head.kind == "http" and head.method == "POST" and head.path == LOGIN
        return sends and self._is_called_rightly(head) and (not head.all("origin") or self._is_ours(head))

    def is_token(self, given: str) -> bool:
        """Return whether a text is the token."""
        return self._is_token(given.encode("utf-8", "replace"))

    def _foreign(self) -> RequestError:
        return RequestError(403, "a foreign page may not call this server; NBFLOW_ALLOWED_ORIGINS lists those that may")

    def _is_called_rightly(self, head: Head) -> bool:
        name = _hostname(f"//{head.one('host')}")
        return bool(name) and ("*" in self._hosts or name in self._hosts)

    def _is_ours(self, head: Head) -> bool:
        """Return whether the request has the origin of this server's page or an allowed one."""
        origin = head.one("origin").lower().rstrip("/")
        return bool(origin) and (origin in self._origins or origin.partition("://")[2] == head.one("host").lower())

    def _has_token(self, head: Head) -> bool:
        scheme, _, given = head.one("authorization").partition(" ")
        return scheme.lower() == "bearer" and self._is_token(given.strip().encode("latin-1", "replace"))

    def _is_token(self, given: bytes) -> bool:
        return hmac.compare_digest(given, self._token)

    def _has_cookie(self, head: Head) -> bool:
        # Parsed as browsers do: all ports of a host share cookies, and a malformed one does not hide the others.
        found = cookie_parser("; ".join(head.all("cookie"))).get(self.cookie_name, "")
        return hmac.compare_digest(found.encode("latin-1", "replace"), self.cookie.encode())


def _query(head: Head) -> dict[str, list[str]]:
    try:
        return parse_qs(head.query, max_num_fields=10)
    except ValueError:
        return {}


def _hostname(address: str) -> str:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - it raises for what is none
        return "" if parts.username or parts.path else (parts.hostname or "")
    except ValueError:
        return ""
