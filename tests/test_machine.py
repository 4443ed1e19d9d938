from __future__ import annotations

import os

import pytest

from hotdog_ft import machine
from hotdog_ft.machine import available_memory


def test_no_more_memory_is_available_than_there_is():
    assert 0 < available_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("limit", "used", "available"), [("5000", "2000", 3000), ("2000", "5000", 0)])
def test_a_container_can_have_less(tmp_path, monkeypatch, limit, used, available):
    files = (tmp_path / "limit", tmp_path / "used")
    for file, content in zip(files, (limit, used)):
        file.write_text(content + "\n")
    monkeypatch.setattr(machine, "_CONTROL_GROUPS", [files])
    assert available_memory() == available


def test_a_container_without_a_limit_has_the_machines(tmp_path, monkeypatch):
    (tmp_path / "limit").write_text("max\n")
    monkeypatch.setattr(machine, "_CONTROL_GROUPS", [(tmp_path / "limit", tmp_path / "used")])
    assert available_memory() > 2**20
