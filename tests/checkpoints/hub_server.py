"""A Hugging Face Hub with one repository on this machine, as far as the Hub's own client asks."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Serves a folder as `owner/name`; `asked` are the names of files that were asked for, `broken` are not sent."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.asked, self.broken = folder, [], set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/owner/name/tree/"):
            self._send(200, json.dumps([self._entry(file) for file in self._files()]).encode(), {})
            return
        if path.startswith("/api/models/owner/name"):
            revision = path.partition("/revision/")[2] or "main"
            if revision not in {"main", "v1", COMMIT}:
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                return
            names = [{"rfilename": file.relative_to(self.server.folder).as_posix()} for file in self._files()]
            self._send(200, json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": names}).encode(), {})
            return
        name = path.partition(f"/owner/name/resolve/{COMMIT}/")[2]
        file = self.server.folder / name
        if not name or not file.is_file():
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        data = file.read_bytes()
        etag = hashlib.sha256(data).hexdigest()
        if not name.endswith(".safetensors"):
            etag = etag[:40]
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
        if not body:
            self._send(200, data, headers, body=False)
            return
        self.server.asked.append(name)
        if name in self.server.broken:
            self._send(404, b"", {})
            return
        self._send(200, data, headers)

    def _files(self) -> list[Path]:
        return sorted(file for file in self.server.folder.rglob("*") if file.is_file())

    def _entry(self, file: Path) -> dict[str, object]:
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        entry = {"type": "file", "path": file.relative_to(self.server.folder).as_posix(), "size": len(data)}
        if file.suffix == ".safetensors":
            return entry | {"oid": "0" * 40, "lfs": {"oid": digest, "size": len(data), "pointerSize": 130}}
        return entry | {"oid": digest[:40]}

    def _send(self, code: int, data: bytes, headers: dict[str, str], *, body: bool = True) -> None:
        self.send_response(code)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass
