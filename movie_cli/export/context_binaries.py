"""Ahead-of-time compilation of quantized graphs into context binaries for one chip's HTP.

`python -m movie_cli.export.context_binaries SOC_MODEL GRAPH OUT [GRAPH OUT ...]` compiles in a process of its own, for
the compiler may end a process that gives it a graph it dislikes. Graphs compiled together share a binary, and weights:
`anchor` and `frame` are the same network. The simulator does not load such a binary, so what is compiled so is not
verified before it is on a chip.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from movie_cli.backends.qnn_backend import Soc, htp_session
from movie_cli.child import module_command, run_child
from movie_cli.errors import DeviceError, ModelError, MovieError

SECONDS = 3600


def compile_graphs(graphs: Sequence[tuple[Path, Path]], soc: Soc) -> None:
    """Compile pairs of a quantized graph and the ONNX file that is to stand for its context binary.

    Binaries lie beside these files, under names that begin alike.

    Raises:
        DeviceError: a graph has nodes that the HTP does not take.
        ModelError: the compiler fails.
    """
    places = [str(path) for pair in graphs for path in pair]
    command = [*module_command("movie_cli.export.context_binaries"), str(soc.model), *places]
    names = " and ".join(out.parent.name + "/" + out.stem for _, out in graphs)
    try:
        ended = run_child(command, SECONDS)
    except TimeoutError as error:
        raise ModelError(f"{names} cannot be compiled for {soc.name}: {error}", "try a smaller --size") from error
    if ended.code:
        kind = DeviceError if ended.code == DeviceError.exit_code else ModelError
        said = f"{names} cannot be compiled for {soc.name}: {ended.reason}"
        raise kind(said, "update onnxruntime-qnn, or try another chip")


def main(arguments: Sequence[str]) -> int:
    """Compile; the exit code is a `MovieError`'s."""
    soc, *places = arguments
    pairs = list(zip(places[::2], places[1::2], strict=True))
    try:
        for number, (graph, out) in enumerate(pairs):
            entries = {
                "ep.context_enable": "1",
                "ep.context_file_path": out,
                "ep.context_embed_mode": "0",
            }
            shared = {}
            if len(pairs) > 1:
                entries["ep.share_ep_contexts"] = "1"
                if number == len(pairs) - 1:
                    entries["ep.stop_share_ep_contexts"] = "1"
                shared = {"enable_htp_weight_sharing": "1"}
            htp_session(Path(graph), int(soc), entries, **shared)
    except MovieError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the parent reads it
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
