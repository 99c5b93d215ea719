"""Which requests of a page are answered: who may ask, and what the one thread that runs the model still does.

A page of a stranger can make a browser send requests to this machine, and can give its own name this machine's number
(DNS rebinding). So every request must carry the token in its path, a Host that is this server, and, where the browser
tells it, an Origin that is too.

What is asked for last is done, what it replaces never. Every job has a key, such as "the frame on that page". A job
that waits is dropped when another with its key comes, so that a slider that is turned asks for as many passes of the
network as there is time for.
"""

from __future__ import annotations

import hmac
import itertools
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


MOST_WAITING = 64
"""Jobs beyond these take the place of the one that has waited longest."""


class Stale(Exception):  # noqa: N818 - nothing failed
    """A job was dropped: a later one with its key came, or there is no more time for any."""


@dataclass(frozen=True)
class _Job:
    urgency: int
    number: int
    work: Callable[[], Any]
    future: Future[Any]


class Worker:
    """Does jobs one after another, those of the smallest `urgency` first."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, _Job] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def submit(self, key: Hashable, urgency: int, work: Callable[[], Any]) -> Future[Any]:
        """Have a job done; the future's result is the work's, or `Stale`."""
        job = _Job(urgency, next(self._numbers), work, Future())
        with self._changed:
            dropped = [self._waiting.pop(key, None)]
            if len(self._waiting) >= MOST_WAITING:
                oldest = min(self._waiting, key=lambda each: self._waiting[each].number)
                dropped.append(self._waiting.pop(oldest))
            if self._ended:
                dropped.append(job)
            else:
                self._waiting[key] = job
                self._changed.notify()
        _drop(dropped)
        return job.future

    @property
    def runs(self) -> bool:
        """Whether its thread is there: also after `stop`, where a job took longer than that waits."""
        return self._thread.is_alive()

    def stop(self, seconds: float = 2.0) -> None:
        """Drop what waits, and give what runs some seconds to end."""
        with self._changed:
            self._ended = True
            dropped = list(self._waiting.values())
            self._waiting.clear()
            self._changed.notify()
        _drop(dropped)
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return
                key = min(self._waiting, key=lambda each: (self._waiting[each].urgency, self._waiting[each].number))
                job = self._waiting.pop(key)
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                job.future.set_result(job.work())
            except BaseException as error:
                job.future.set_exception(error)


def _drop(jobs: Sequence[_Job | None]) -> None:
    for job in jobs:
        if job is not None and job.future.set_running_or_notify_cancel():
            job.future.set_exception(Stale())
