"""Quantization by AIMET, run by path in an environment of its own: `python -I aimet_script.py SOURCE TARGET FEEDS ...`.

Imports AIMET, onnx, numpy and the standard library alone, as movie is not installed there. Promises that the target
appears whole or not at all; a failure's last line on stderr says what it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = "aimet-onnx"
CHIP = "htp_v75"
"""AIMET's rules for an HTP: symmetric weights with a step for each channel, unsigned scales of layer normalisations."""
ADAROUND_FEEDS = 8
"""Inputs that AdaRound learns from; ranges are of all."""


def main(arguments: Sequence[str]) -> int:
    """Quantize a graph, or tell AIMET's version."""
    parser = argparse.ArgumentParser(description="Quantize an ONNX graph by AIMET.")
    parser.add_argument("--version", action="version", version=_version())
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("feeds", type=Path, help="a folder of .npz files, each an input")
    parser.add_argument("--activations", type=int, choices=(8, 16), default=16, help="bits")
    parser.add_argument("--iterations", type=int, default=0, help="of AdaRound for each layer; 0 for none of it")
    parser.add_argument("--keep", action="append", default=[], metavar="WEIGHT", help="a weight that stays in 16 bits")
    given = parser.parse_args(arguments)
    quantize(given.source, given.target, given.feeds, given.activations, given.iterations, given.keep)
    return 0


def _version() -> str:
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise SystemExit(f"{PACKAGE} is not installed in {sys.prefix}") from None


def quantize(
    source: Path, target: Path, feeds: Path, activations: int, iterations: int, keep: Collection[str] = ()
) -> None:
    """Write a QDQ graph of a float graph: int8 weights, but for those of `keep`, and 8- or 16-bit activations."""
    import numpy as np
    import onnx
    from aimet_onnx import QuantizationSimModel, apply_adaround

    model = onnx.load(source)
    inputs = {value.name for value in model.graph.input}
    cases = []
    for path in sorted(feeds.glob("*.npz")):
        with np.load(path, allow_pickle=False) as values:
            cases.append({name: values[name] for name in values.files if name in inputs})
    sim = QuantizationSimModel(
        model,
        param_type="int8",
        activation_type=f"int{activations}",
        config_file=CHIP,
        providers=["CPUExecutionProvider"],
    )
    for name in keep:
        sim.qc_quantize_op_dict[name].set_bitwidth(16)
    learnt = _with_int8_weights(sim, keep)
    if iterations and learnt:
        apply_adaround(sim, cases[:ADAROUND_FEEDS], num_iterations=iterations, nodes_to_include=learnt)
    sim.compute_encodings(cases)
    part = target.with_name(f".{target.name}.part")
    try:
        onnx.save(sim.to_onnx_qdq(prequantize_constants=True), part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _with_int8_weights(sim: Any, keep: Collection[str]) -> list[str]:
    """The names of the nodes that AdaRound is to learn: what is kept in 16 bits has nothing to gain."""
    return [
        node.name
        for node in sim.model.model.graph.node
        if node.op_type in {"Conv", "ConvTranspose", "Gemm", "MatMul"}
        and not any(name.removesuffix("_qdq") in keep for name in node.input)
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
