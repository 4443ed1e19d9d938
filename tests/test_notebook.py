"""The notebook runs from its first cell to its last, and says what it promises."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import REPOSITORY

NOTEBOOK = REPOSITORY / "docs" / "fine-tuning.ipynb"


def test_it_is_kept_without_what_its_cells_print():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[] for _ in code]


@pytest.mark.slow
@pytest.mark.timeout(1200)  # it trains five times
def test_every_cell_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    said = "\n".join(map(_said, code))
    assert "train 320 photos of hotdog, not-hotdog" in said
    assert "Dense(1280 -> 1000, linear)" in said
    assert "Dense(1280 -> 2, linear)" in said
    assert "learns 10.0 times as fast" in said
    assert re.search(r"from scratch: \d+ of 120 test photos right", said)
    pictures = [output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 4


def _said(cell: nbformat.NotebookNode) -> str:
    """What a cell printed and gave back, as text."""
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
