from __future__ import annotations

import re
import subprocess
import sys

import pytest

import hotdog_ft
from hotdog_ft.data.photo import read_photo
from tests.conftest import REPOSITORY, make_classes


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, hotdog_ft; print({'mxnet', 'numpy', 'pydantic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_every_public_name_is_there_and_documented():
    for name in hotdog_ft.__all__:
        assert getattr(hotdog_ft, name).__doc__
    assert set(hotdog_ft.__all__) <= set(dir(hotdog_ft))
    page = (REPOSITORY / "docs" / "api.md").read_text("utf-8")
    described = re.findall(r"^::: hotdog_ft\.[\w.]*?(\w+)$", page, re.MULTILINE)
    assert sorted(described) == sorted({*hotdog_ft.__all__, "errors"} - {"HotdogError"})


def test_a_model_is_trained_and_used_from_python(photos, tmp_path):
    config = hotdog_ft.TrainConfig(
        data=str(photos), model="mobilenet0.25", weights="none", image_size=32, epochs=1, out=str(tmp_path / "run")
    )
    run = hotdog_ft.fine_tune(config)
    paths = sorted(make_classes(tmp_path / "new", 1).rglob("*.jpg"))
    predictions = list(hotdog_ft.load(run.folder).predict(paths))
    assert [prediction.path for prediction in predictions] == [str(path) for path in paths]
    assert {prediction.label for prediction in predictions} <= {"green", "red"}
    alone = hotdog_ft.load(run.folder).predict(read_photo(paths[0]))
    assert alone.probabilities == pytest.approx(predictions[0].probabilities, abs=1e-6)
