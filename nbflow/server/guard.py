"""The door: every request and socket passes here before any route sees it.

Rule: what is refused is refused by its head, or as soon as its body is too large; nothing is read that is not needed.
"""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from nbflow.server.access import FREE, Access, Head
from nbflow.server.leaving import is_full
from nbflow.server.options import Options
from nbflow.server.problems import LimitError, RequestError, answer, problem_of
from nbflow.server.rates import Rates

# The page's modules, styles and pictures are its own; `data:` is for pictures among a run's values.
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
"""Seconds that a body may take to come, and bytes that give it a second more."""


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
    """The middleware that refuses, and that sets the headers of every answer."""

    def __init__(self, app: ASGIApp, access: Access, options: Options) -> None:
        self._app, self._access, self._options = app, access, options
        self._rates = Rates(options.max_rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
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
                await _login_form()(scope, receive, answering)
            else:
                await _refuse(error, scope, receive, answering)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, answering)
        else:
            await self._let_in(scope, receive, answering)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a person in whose login form has the token; else show it again."""
        try:
            given = parse_qs((await _body(receive, _FORM_SIZE)).decode("utf-8", "replace"), max_num_fields=10)
        except (LimitError, RequestError) as error:
            await _refuse(error, scope, receive, send)
            return
        except ValueError:
            given = {}
        tokens = given.get("token", [])
        is_right = len(tokens) == 1 and self._access.is_token(tokens[0].strip())
        await (self._welcome() if is_right else _login_form(again=True))(scope, receive, send)

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
            # RFC 9112, 6.1: whoever stands between may have read its end elsewhere than we do.
            return RequestError(400, "a request has a Content-Length or a Transfer-Encoding, and not both")
        if any(length.isdecimal() and int(length) > self._options.max_body for length in lengths):
            return _too_large(self._options.max_body)
        return None

    def _welcome(self) -> Response:
        # To the same place without the token, so that it stays in no history, log or Referer.
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
        response.headers["Connection"] = "close"  # what it still sends is not read
        await response(scope, receive, send)


def _wants_page(head: Head, error: RequestError | LimitError) -> bool:
    """Return whether a browser, and no program, asks for the page without a token."""
    asks = head.kind == "http" and head.method == "GET" and head.path == "/" and "text/html" in head.one("accept")
    return asks and error.status == HTTPStatus.UNAUTHORIZED


def _login_form(*, again: bool = False) -> Response:
    policy = POLICY.replace("form-action 'none'", "form-action 'self'").replace("script-src 'self'; ", "")
    headers = {
        "Content-Security-Policy": policy,
        "WWW-Authenticate": "Bearer",
        "Referrer-Policy": "same-origin",  # with no-referrer a browser sends `Origin: null` with a form
    }
    text = _FORM % ('<p role="alert">This is not the token.</p>' if again else "")
    return Response(text, HTTPStatus.UNAUTHORIZED, headers, media_type="text/html")


def _too_large(limit: int) -> LimitError:
    return LimitError(413, "the body is too large", "max_body", limit)


async def _body(receive: Receive, limit: int) -> bytes:
    """Return a request's body.

    Raises:
        LimitError: More has come than it may have, whatever its head said.
        RequestError: It did not come in time.
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
    """Return a `receive` that gives a body that was read already, and then what follows."""
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
