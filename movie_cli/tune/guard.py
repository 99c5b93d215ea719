"""Who may talk to the page's server: a browser on this machine that knows the address, and no other page in it.

A page of a stranger can make a browser send requests to this machine, and can give its own name this machine's number
(DNS rebinding). So every request must carry the token in its path, a Host that is this server, and, where the browser
tells it, an Origin that is too.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""Sent with every answer: nothing from elsewhere, nothing kept, and the address is told to nobody."""
LONGEST_BODY = 2**16


class Guard:
    """Lets requests through to `application` under `/TOKEN`, and refuses all others with 403 and no further word."""

    def __init__(self, application: ASGIApp, port: int, token: str) -> None:
        self._application = application
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._prefix = f"/{token}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._application(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        if not self._may(scope):
            await send_guarded({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._application({**scope, "path": scope["path"][len(self._prefix) - 1 :]}, receive, send_guarded)

    def _may(self, scope: Scope) -> bool:
        headers = scope["headers"]
        named = {key: [value.decode("latin-1") for name, value in headers if name == key] for key, _ in headers}
        if len(hosts := named.get(b"host", [])) != 1 or hosts[0] not in self._hosts:
            return False
        origins = named.get(b"origin", [])
        if any(origin not in {f"http://{host}" for host in self._hosts} for origin in origins):
            return False
        if named.get(b"sec-fetch-site", ["same-origin"])[0] not in {"same-origin", "none"}:
            return False
        if scope["method"] == "POST":
            length = named.get(b"content-length", [""])[0]
            plain = named.get(b"content-type") == ["application/json"]  # which no form can send
            if not (origins and plain and length.isdecimal() and int(length) <= LONGEST_BODY):
                return False
        path = scope["path"]
        return hmac.compare_digest(path[: len(self._prefix)].encode(), self._prefix.encode())
