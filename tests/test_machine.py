from __future__ import annotations

import os
import platform
import subprocess
import sys

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


BLOCKS = """
import ctypes
from hotdog_ft.machine import give_back_large_blocks

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
fields = [(f"n{{i}}", ctypes.c_int) for i in range(10)]
libc.mallinfo.restype = type("Info", (ctypes.Structure,), {{"_fields_": fields}})
if {told}:
    give_back_large_blocks()
libc.free(libc.malloc(20 << 20))
before = libc.mallinfo().n3  # blocks that the system gave one by one
libc.malloc(2 << 20)
print(libc.mallinfo().n3 - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize("told", [True, False])
def test_large_blocks_are_given_back_if_so_told(told):
    done = subprocess.run([sys.executable, "-c", BLOCKS.format(told=told)], capture_output=True, text=True, check=True)
    assert int(done.stdout) == told


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "allowed", "then"),
    [(100, 300, 200, 200, 200), (100, 150, 200, 150, 150), (300, 300, 200, 200, 300)],
)
def test_as_many_files_are_open_as_are_wanted_and_may_be(soft, hard, wanted, allowed, then):
    code = (
        "import resource, sys; from hotdog_ft.machine import open_files; soft, hard, wanted = map(int, sys.argv[1:]); "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)); "
        "print(open_files(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    command = [sys.executable, "-c", code, *map(str, (soft, hard, wanted))]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.split() == [str(allowed), str(then)]
