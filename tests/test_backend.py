from __future__ import annotations

import subprocess
import sys

import pytest

from hotdog_ft.backend import hidden


@pytest.mark.parametrize(("left_out", "used"), [("sklearn", "sklearn.metrics"), ("scipy.stats", "scipy.stats")])
def test_mxnet_comes_without_modules_that_take_time(left_out, used):
    code = f"import sys, hotdog_ft.backend; print({left_out!r} in sys.modules); import {used}; {used}"
    process = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "False\n"


def test_a_hidden_module_cannot_be_imported_and_is_back_afterwards():
    import json

    with hidden("no_such_module", "json"), pytest.raises(ImportError):
        import json
    assert sys.modules["json"] is json


def test_a_hidden_module_that_was_not_there_is_not_there_afterwards():
    with hidden("no_such_module"):
        pass
    assert "no_such_module" not in sys.modules
