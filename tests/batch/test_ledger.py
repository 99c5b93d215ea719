import json

import pytest

from movie_cli.batch.ledger import Ledger
from movie_cli.errors import OutputError


def test_the_last_line_counts_and_a_torn_one_spoils_nothing(tmp_path):
    path = tmp_path / "new" / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.write("a", "started", source="ü\udcff.mp4")
        ledger.write("a", "done", frames=3)
    with path.open("ab") as file:
        file.write(b'[1]\nnull\n{"job"')
    with Ledger(path) as ledger:
        assert ledger.last("a")["state"] == "done"
        assert ledger.last("b") is None
        ledger.write("b", "failed", error="x")
    assert json.loads(path.read_text().splitlines()[-1])["state"] == "failed"
    with Ledger(path) as ledger:
        assert ledger.last("b")["error"] == "x"


def test_one_at_a_time(tmp_path):
    with Ledger(tmp_path / "ledger.jsonl"), pytest.raises(OutputError, match="another batch"):
        Ledger(tmp_path / "ledger.jsonl")
    Ledger(tmp_path / "ledger.jsonl").close()
