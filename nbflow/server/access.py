"""Who may come in: by the name the server is called by, the page that calls, and the token.

Rule: everything but `/health` needs the token, from the first request on. A page gets it once, in its address, and has
a cookie from then on that no script reads; what comes with the cookie must come from a page of ours. Pure: a request's
head in, a refusal or None out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser

from nbflow.serve.addresses import redeem_login
from nbflow.server.problems import RequestError

FREE, LOGIN = "/health", "/login"
_LOCAL = ("127.0.0.1", "localhost", "::1")
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says before its body. `kind` is `http` or `websocket`; headers' names are in small letters."""

    kind: str
    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str:
        """Return the value of a header that stands there once, else nothing."""
        found = self.all(name)
        return found[0] if len(found) == 1 else ""


class Access:
    """The rules of one server.

    Args:
        token: What a request must bring.
        hosts: Names that it may be called by besides this machine's own; `*` for any.
        origins: Origins whose pages may call it besides its own.
        logins: The folder of login links that were not used yet, see `nbflow.serve.addresses.login_address`.
    """

    def __init__(
        self, token: str, *, hosts: Iterable[str] = (), origins: Iterable[str] = (), logins: Path | None = None
    ) -> None:
        self._logins = logins
        self._token = token.encode()
        self._hosts = {name.lower().strip("[]") for name in (*_LOCAL, *hosts)}
        self._origins = {origin.lower().rstrip("/") for origin in origins}
        # Of the token, so that it needs no memory, and not the token, so that a cookie that leaks is not the key.
        self.cookie = hmac.new(self._token, b"nbflow page", hashlib.sha256).hexdigest()
        self.cookie_name = f"nbflow-{hashlib.sha256(self._token).hexdigest()[:8]}"

    def refusal(self, head: Head) -> RequestError | None:
        """Return why a request may not come in."""
        if head.path == FREE and head.kind == "http":
            return None
        if not self._is_called_rightly(head):
            return RequestError(421, "the server does not go by this name; NBFLOW_ALLOWED_HOSTS lists more names")
        own = self._is_ours(head)
        if head.kind == "websocket" and head.all("origin") and not own:
            return self._foreign()
        if self._has_token(head):
            return None
        if not self._has_cookie(head):
            return RequestError(401, "a token is needed: send the header 'Authorization: Bearer TOKEN'")
        changes = head.kind == "websocket" or head.method not in _SAFE
        return self._foreign() if changes and not own else None

    def lets_page_in(self, head: Head) -> bool:
        """Return whether this is the first load of the page, with the token or a login link in its address."""
        if head.kind != "http" or head.method != "GET" or head.path != "/" or not self._is_called_rightly(head):
            return False
        try:
            given = parse_qs(head.query, max_num_fields=10)
        except ValueError:
            return False
        match given:
            case {"token": [token]}:
                return self.is_token(token)
            case {"login": [code]}:
                return self._logins is not None and redeem_login(self._logins, code)
        return False

    def may_log_in(self, head: Head) -> bool:
        """Return whether a request is the login form that a page of this server sent."""
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
        """Return whether the page that calls is this server's own, or a listed one; a client without pages is not."""
        origin = head.one("origin").lower().rstrip("/")
        return bool(origin) and (origin in self._origins or origin.partition("://")[2] == head.one("host").lower())

    def _has_token(self, head: Head) -> bool:
        scheme, _, given = head.one("authorization").partition(" ")
        return scheme.lower() == "bearer" and self._is_token(given.strip().encode("latin-1", "replace"))

    def _is_token(self, given: bytes) -> bool:
        return hmac.compare_digest(given, self._token)

    def _has_cookie(self, head: Head) -> bool:
        # As browsers read them: cookies are shared by all ports of a host, and one that is odd takes no other with it.
        found = cookie_parser("; ".join(head.all("cookie"))).get(self.cookie_name, "")
        return hmac.compare_digest(found.encode("latin-1", "replace"), self.cookie.encode())


def _hostname(address: str) -> str:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - it raises for what is none
        return "" if parts.username or parts.path else (parts.hostname or "")
    except ValueError:
        return ""
