"""The program as a command, for terminals, pipes and other programs, that runs in a process forked from a server.

`python -IS tests/forked_program.py SOCKET ARGUMENT ...`, see `tests.forked.program`. It hands over its folder, its
environment and its standard streams, passes signals on, and ends as the forked process does.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path


def main(path: str, *words: str) -> int:
    """The forked process's exit code."""
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(path)
        said = json.dumps([words, str(Path.cwd()), dict(os.environ)]).encode()
        socket.send_fds(door, [len(said).to_bytes(4, "big")], [0, 1, 2])
        door.sendall(said)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: door.send(bytes([number])))
        code = int(door.recv(10) or b"1")
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
