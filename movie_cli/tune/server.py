"""Serves the page to this machine, until its last page is closed or Ctrl-C comes.

Everything is behind `requests.Guard`. Paths are a fixed few; none of them names a file.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import logging
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from importlib import resources
from typing import Any
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from movie_cli.errors import MovieError, OutputError, UsageError, known_error
from movie_cli.tune.command import EditState
from movie_cli.tune.pictures import Picture
from movie_cli.tune.requests import Guard, Stale
from movie_cli.tune.session import Session

GRACE = 3.0
"""Seconds without any page after which the server ends: a page that is loaded anew is away for less."""
FILES = {
    "page.css": ("movie_cli.comparison", "page.css", "text/css"),
    "player.js": ("movie_cli.comparison", "player.js", "text/javascript"),
    "tune.css": ("movie_cli.tune", "page/tune.css", "text/css"),
    **{
        f"{name}.js": ("movie_cli.tune", f"page/{name}.js", "text/javascript")
        for name in ("tune", "asking", "looking", "gallery", "editing", "places", "working")
    },
}
"""What else the page is made of, by its name in an address."""
Handler = Callable[[Request], Awaitable[Response]]


class Pages:
    """The pages that are open, each of which hears what happens. Used by the server's own thread alone."""

    def __init__(self, emptied: Callable[[], None]) -> None:
        self._queues: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self._emptied = emptied
        self._last: dict[str, dict[str, Any]] = {}

    def tell(self, kind: str, **values: Any) -> None:
        """Tell all pages, also those that come later, until there is news of the same kind."""
        self._last[kind] = {"type": kind, **values}
        for queue in self._queues:
            queue.put_nowait(self._last[kind])

    async def listen(self) -> AsyncIterator[str]:
        """Server-sent events for one page, for as long as it is open."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        for known in self._last.values():
            queue.put_nowait(known)
        self._queues.add(queue)
        try:
            yield ": here\n\n"
            while (event := await queue.get()) is not None:
                yield f"data: {json.dumps(event)}\n\n"
        finally:
            self._queues.discard(queue)
            if not self._queues:
                self._emptied()

    def close(self) -> None:
        """End all streams."""
        for queue in self._queues:
            queue.put_nowait(None)

    def __bool__(self) -> bool:
        return bool(self._queues)


class Server(uvicorn.Server):
    """The server of one session. `address` is where its page is.

    Raises:
        OutputError: the port is taken.
    """

    def __init__(self, session: Session, port: int) -> None:
        self._session = session
        self._socket = _listen(port)
        number: int = self._socket.getsockname()[1]
        token = secrets.token_urlsafe(24)
        self.address = f"http://127.0.0.1:{number}/{token}/"
        self._pages = Pages(self._watch)
        self._closing: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        application = Guard(Starlette(routes=self._routes()), number, token)
        options: dict[str, Any] = {"log_config": None, "log_level": logging.CRITICAL + 1, "server_header": False}
        options |= {"lifespan": "off", "ws": "none", "http": "h11", "loop": "asyncio"}
        super().__init__(uvicorn.Config(application, timeout_graceful_shutdown=2, **options))

    def run_here(self) -> None:
        """Serve until all pages are closed.

        Raises:
            MovieError: the model cannot be opened.
            KeyboardInterrupt: Ctrl-C.
        """
        try:
            self.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self._session.close()
        if self._failure is not None:
            raise known_error(self._failure) from self._failure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and let the session tell the pages what happens."""
        self._loop = asyncio.get_running_loop()
        self._session.edit.changed = self._tell
        self._session.opening.add_done_callback(lambda done: self._from_thread(self._opened, done))
        self._pages.tell("edit", **dataclasses.asdict(EditState()))
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; open pages would be waited for."""
        self._pages.close()
        await super().shutdown(sockets)

    def _from_thread(self, call: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    def _tell(self, state: EditState) -> None:
        self._from_thread(lambda: self._pages.tell("edit", **dataclasses.asdict(state)))
        if not state.runs:
            self._from_thread(self._watch)

    def _opened(self, done: Future[None]) -> None:
        self._failure = done.exception()
        if isinstance(self._failure, Stale):
            self._failure = None
        self._pages.tell("model", error="" if self._failure is None else str(known_error(self._failure)))
        if self._failure is not None:
            self.should_exit = True

    def _watch(self) -> None:
        """End in a while if no page is there by then. An edit that runs is waited for."""
        if self._loop is not None and self._closing is None:
            self._closing = self._loop.call_later(GRACE, self._end_if_alone)

    def _end_if_alone(self) -> None:
        self._closing = None
        if not self._pages and not self._session.edit.state.runs:
            self.should_exit = True

    def _routes(self) -> list[Route]:
        session = self._session

        async def index(_: Request) -> Response:
            player = _text("movie_cli.comparison", "player.html")
            return HTMLResponse(_text("movie_cli.tune", "page/index.html").replace("{{player}}", player))

        async def file(request: Request) -> Response:
            package, name, kind = FILES[request.path_params["name"]]
            return Response(_text(package, name), media_type=kind)

        async def about(_: Request) -> Response:
            return JSONResponse(session.about())

        async def events(_: Request) -> Response:
            return StreamingResponse(self._pages.listen(), media_type="text/event-stream")

        async def source(request: Request) -> Response:
            width = request.query_params.get("width")
            small = None if width is None else max(16, min(640, int(width))) if width.isdecimal() else 160
            return await _picture(session.source_picture(request.query_params.get("at", ""), small))

        async def loop(request: Request) -> Response:
            return JSONResponse(await asyncio.wrap_future(session.loop(request.query_params.get("at", ""))))

        async def loop_picture(request: Request) -> Response:
            place, index = request.query_params.get("at", ""), int(request.path_params["index"])
            return await _picture(session.loop_picture(place, index))

        async def edited(request: Request) -> Response:
            asked = await _values(request)
            page, kind, place = (str(asked.get(name))[:40] for name in ("page", "kind", "at"))
            index = asked.get("index", 0)
            if not isinstance(index, int):
                raise UsageError("a page asks otherwise")
            return await _picture(session.edited(page, kind, place, asked.get("settings"), index))

        async def veil(request: Request) -> Response:
            asked = await _values(request)
            page, place = (str(asked.get(name))[:40] for name in ("page", "at"))
            return await _picture(session.veil(page, place, asked.get("settings")))

        async def command(request: Request) -> Response:
            asked = await _values(request)
            return JSONResponse({"command": session.command(session.recipe(asked.get("settings")))})

        async def preset(request: Request) -> Response:
            asked = await _values(request)
            typed = session.save_preset(asked.get("name"), asked.get("settings"))
            return JSONResponse({"command": typed, "presets": session.about()["presets"]})

        async def start(request: Request) -> Response:
            asked = await _values(request)
            if asked.get("resume") is True:
                session.resume_edit()
            else:
                session.start_edit(asked.get("settings"), replace=asked.get("replace") is True)
            return JSONResponse({})

        async def stop(_: Request) -> Response:
            session.edit.stop()
            return JSONResponse({})

        async def films(_: Request) -> Response:
            return JSONResponse(await asyncio.to_thread(session.films))

        async def film(request: Request) -> Response:
            return FileResponse(session.film(request.path_params["number"]))

        def route(path: str, handler: Handler, method: str = "GET") -> Route:
            return Route(path, _told(handler), methods=[method])

        return [
            route("/", index),
            route("/about", about),
            route("/events", events),
            route("/source", source),
            route("/loop", loop),
            route("/loop/{index:int}", loop_picture),
            route("/edited", edited, "POST"),
            route("/veil", veil, "POST"),
            route("/command", command, "POST"),
            route("/preset", preset, "POST"),
            route("/edit", start, "POST"),
            route("/stop", stop, "POST"),
            route("/films", films),
            route("/film/{number:int}", film),
            route("/{name}", file),
        ]


def _told(handler: Handler) -> Handler:
    """A handler whose errors are told to the page: 204 where a later request took its place, else a line and a hint."""

    @functools.wraps(handler)
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except Stale:
            return Response(status_code=204)
        except KeyError:
            return Response(status_code=404)
        except MovieError as error:
            status = 400 if isinstance(error, UsageError) else 500
            return JSONResponse({"message": str(error), "hint": error.hint}, status)
        except Exception as error:
            told = known_error(error)
            return JSONResponse({"message": str(told), "hint": told.hint}, 500)

    return handle


async def _values(request: Request) -> dict[str, Any]:
    try:
        values = json.loads(await request.body())
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise UsageError("a page asks otherwise")
    return values


async def _picture(made: Future[Picture]) -> Response:
    picture = await asyncio.wrap_future(made)
    headers = {"movie-advice": quote(picture.advice), "movie-where": quote(picture.where)}
    return Response(picture.content, media_type=picture.kind, headers=headers)


@functools.cache
def _text(package: str, name: str) -> str:
    return (resources.files(package) / name).read_text(encoding="utf-8")


def _listen(port: int) -> socket.socket:
    """A socket that this machine alone can reach; port 0 is any that is free."""
    made = socket.socket()
    try:
        if sys.platform != "win32":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        made.listen()
    except OSError as error:
        made.close()
        raise OutputError(
            f"port {port} of this machine cannot be used: {error.strerror}", "leave out --port"
        ) from error
    return made
