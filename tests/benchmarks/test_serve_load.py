from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("uvicorn")


@pytest.mark.slow
def test_clients_are_all_answered_as_predict_answers(photos, run_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = "--model mobilenet0.25 --weights none --image-size 32 --epochs 1 --batch-size 4 --out run".split()
    assert run_cli("train", "--data", photos, *options)[0] == 0
    command = [sys.executable, "-m", "benchmarks.serve_load", "--run", "run", "--data", str(photos)]
    done = subprocess.run(
        [*command, "--clients", "4", "--seconds", "1"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^serve: .* images/s; p50 .* 0 wrong, 0 lost; statuses {200: \d+}$", done.stdout, re.MULTILINE)
    assert re.search(r"^ratio \d+\.\d\d; memory \d+ MiB, then \d+ MiB$", done.stdout, re.MULTILINE)
