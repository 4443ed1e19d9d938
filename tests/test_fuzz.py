"""Whatever a file or an option holds, it is used or named: no crash, no hang, no traceback.

FUZZ_EXAMPLES is how many inputs each test makes, 60 unless set.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hotdog_ft.backend import mx, nd
from hotdog_ft.cli import run
from hotdog_ft.config import TrainConfig, field_names
from hotdog_ft.data.photo import decode_photo, open_photo
from hotdog_ft.data.sources import unpack
from hotdog_ft.errors import ConfigError, DataError, HotdogError, ImageError, RunError, WeightsError
from hotdog_ft.models.convert.read import read_weights
from hotdog_ft.runs import load_model, save_model
from hotdog_ft.training.checkpoint import Saved
from tests.conftest import draw, make_classes

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
fuzzed = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
pytestmark = pytest.mark.slow


@st.composite
def damaged(draw_from, whole: bytes) -> bytes:
    """The bytes with a few changed, put in, taken out or doubled, or cut short."""
    data = bytearray(whole)
    for _ in range(draw_from(st.integers(1, 6))):
        if not data:
            break
        place = draw_from(st.integers(0, min(len(data) - 1, draw_from(st.sampled_from([64, 1024, 1 << 30])))))
        kind = draw_from(st.sampled_from(["byte", "bit", "insert", "cut out", "double", "end", "number"]))
        if kind == "byte":
            data[place] = draw_from(st.integers(0, 255))
        elif kind == "bit":
            data[place] ^= 1 << draw_from(st.integers(0, 7))
        elif kind == "insert":
            data[place:place] = draw_from(st.binary(min_size=1, max_size=20))
        elif kind == "cut out":
            del data[place : place + draw_from(st.integers(1, 50))]
        elif kind == "double":
            data[place:place] = data[place : place + draw_from(st.integers(1, 200))]
        elif kind == "number":
            data[place : place + 4] = draw_from(
                st.sampled_from([b"\xff" * 4, bytes(4), b"\0\0\0\x80", b"\x7f\xff\xff\xff"])
            )
        else:
            del data[place:]
    return bytes(data)


def encoded(kind: str, size: tuple[int, int] = (40, 48)) -> bytes:
    file = io.BytesIO()
    Image.fromarray(draw((200, 60, 60), 1, size)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
@fuzzed
@given(data=st.data())
def test_photos(kind, data):
    content = data.draw(damaged(encoded(kind)))
    try:
        image = decode_photo(content)
    except ImageError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3


LARGE_JPEG = encoded("JPEG", (600, 700))


@fuzzed
@given(content=damaged(LARGE_JPEG))
def test_large_photos(tmp_path, content):
    (tmp_path / "photo.jpg").write_bytes(content)
    try:
        photo = open_photo(tmp_path / "photo.jpg")
        photo.part(0, 0, photo.width, photo.height, (32, 32))
    except ImageError:
        return


@fuzzed
@given(data=st.data())
def test_archives(tmp_path, monkeypatch, data):
    monkeypatch.setenv("HOTDOG_FT_HOME", str(tmp_path / "home"))
    if not (tmp_path / "whole").exists():
        make_classes(tmp_path / "whole", 2)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((tmp_path / "whole").rglob("*.jpg")):
            archive.writestr(str(path.relative_to(tmp_path / "whole")), path.read_bytes())
    path = tmp_path / "photos.zip"
    path.write_bytes(data.draw(damaged(file.getvalue())))
    with contextlib.suppress(DataError):
        unpack(path)
    outside = {place.name for place in tmp_path.iterdir()} - {"whole", "home", "photos.zip"}
    assert not outside
    shutil.rmtree(tmp_path / "home", ignore_errors=True)


yaml_words = [*"{}[]:,&*!|>?-#%@`'\"\n\t ", "lr", "0.1", "!!python/name:os.system", "<<"]
yaml_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@fuzzed
@given(
    text=st.text(max_size=60)
    | st.dictionaries(st.sampled_from(field_names()) | st.text(max_size=8), yaml_values, max_size=4).map(json.dumps)
    | st.lists(st.sampled_from(yaml_words), max_size=30).map("".join)
)
def test_configurations(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(ConfigError):
        TrainConfig.from_sources({}, file=tmp_path / "c.yaml", environment={})


@fuzzed
@given(name=st.sampled_from(field_names()), value=st.text(max_size=12), data=st.text(max_size=12))
def test_options(capfd, name, value, data):
    arguments = ["train", "--data", f"nowhere/{data}", f"--{name.replace('_', '-')}", value]
    assert run(arguments) == 2
    assert "Unexpected" not in capfd.readouterr().err


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model folder, and a checkpoint."""
    from hotdog_ft.models.finetune import target_net
    from hotdog_ft.training.checkpoint import Checkpoints, Place
    from hotdog_ft.training.state import TrainingState
    from hotdog_ft.training.trainer import make_trainer

    folder = tmp_path_factory.mktemp("saved")
    mx.random.seed(0)
    net = target_net("mobilenet0.25", None, ("green", "red"), [mx.cpu()], image_size=32)
    save_model(folder / "model", net, None, "0" * 64)
    Checkpoints(folder / "checkpoint").save(Place(), TrainingState(net, make_trainer(net, 0.1, 0, 0.9)))
    return folder


@fuzzed
@given(data=st.data())
def test_what_describes_a_model(saved, tmp_path, data):
    described = (saved / "model" / "model.json").read_bytes()
    folder = tmp_path / "model"
    if not folder.exists():
        shutil.copytree(saved / "model", folder)
    (folder / "model.json").write_bytes(data.draw(damaged(described)))
    with contextlib.suppress(HotdogError):
        load_model(folder, [mx.cpu()])


@fuzzed
@given(data=st.data())
def test_checkpoints(saved, tmp_path, data):
    (whole,) = (saved / "checkpoint").iterdir()
    path = tmp_path / whole.name
    path.write_bytes(data.draw(damaged(whole.read_bytes())))
    with contextlib.suppress(RunError):
        Saved.read(path)


def weights(kind: str, folder: Path) -> Path:
    arrays = {"features.0.weight": np.ones((4, 3, 3, 3), np.float32), "output.bias": np.zeros(2, np.float32)}
    path = folder / f"weights.{kind}"
    if kind == "params":
        nd.save(str(path), {name: nd.array(value) for name, value in arrays.items()})
    elif kind == "safetensors":
        pytest.importorskip("safetensors.numpy").save_file(arrays, path)
    else:
        onnx = pytest.importorskip("onnx")
        tensors = [onnx.numpy_helper.from_array(value, name) for name, value in arrays.items()]
        graph = onnx.helper.make_graph([], "g", [], [], tensors)
        onnx.save(onnx.helper.make_model(graph), path)
    return path


@pytest.mark.parametrize("kind", ["params", "safetensors", "onnx"])
@fuzzed
@given(data=st.data())
def test_weights(tmp_path, kind, data):
    whole = weights(kind, tmp_path).read_bytes()
    path = tmp_path / f"damaged.{kind}"
    path.write_bytes(data.draw(damaged(whole)))
    with contextlib.suppress(WeightsError):
        read_weights(path)
