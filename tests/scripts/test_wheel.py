from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.slow
def test_the_wheel_holds_the_whole_package(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("hotdog_ft/")}
        metadata = archive.read(next(n for n in archive.namelist() if n.endswith("METADATA"))).decode()
    listed = subprocess.run(
        ["git", "ls-files", "hotdog_ft"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.split()
    assert packed == set(listed)
    assert "hotdog_ft/models/networks.yaml" in packed
    assert "License-Expression: Apache-2.0" in metadata
    for extra in ("cpu", "cu112", "gluoncv", "serve", "weights"):
        assert f"Provides-Extra: {extra}\n" in metadata
