"""`weights` and what `train` does with weights, through the command line."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.models import checking, sources, table, zoo
from tests.data.servers import serve

NAME = "mobilenet0.25"


@pytest.fixture
def params(tmp_path):
    """A file of random values for mobilenet0.25."""
    mx.random.seed(0)
    net = gluon.model_zoo.vision.get_model(NAME)
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 3, 224, 224)))
    path = tmp_path / "mine.params"
    net.save_parameters(str(path))
    return path


def publish(monkeypatch, name, store, content, url):
    """Make the table believe that a store publishes this content at `url`, as a network's only weights."""
    row = next(source for source in table.find_network(name).weights if source.store == store)
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    source = dataclasses.replace(row, addresses=(url,), checksum=checksum)
    rows = {**table.networks(), name: dataclasses.replace(table.find_network(name), weights=(source,))}
    for module in (table, checking):
        monkeypatch.setattr(module, "networks", lambda: rows)
    return source


def test_the_list_shows_every_source_in_order(run_cli):
    status, out, err = run_cli("weights", "list", "resnet18_v2", "nasnet_4*")
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in lines[1:]] == ["resnet18_v2"] * 3 + ["nasnet_4_1056"]
    assert "0.710" in lines[1]
    assert "Gluon's model store" in lines[1]
    assert "47 MB  Apache-2.0    ONNX model zoo" in lines[2]
    assert "resnet18-v2-7.onnx (not here)" in lines[2]
    assert "none was published" in lines[4]


def test_the_whole_list_names_every_network(run_cli):
    _, out, _ = run_cli("weights", "list")
    listed = {line.split()[0] for line in out.splitlines()[1:]}
    assert listed == {name for name, network in table.networks().items() if not network.refused}


def test_the_list_of_what_is_here_is_short(run_cli, params):
    _, out, _ = run_cli("weights", "list", "--here", "mobilenet*")
    assert len(out.splitlines()) == 1
    run_cli("weights", "import", params, "--model", NAME)
    _, out, _ = run_cli("weights", "list", "--here", "mobilenet*")
    assert "imported" in out.splitlines()[1]
    assert str(params) in out.splitlines()[1]


def test_an_import_shows_what_it_sees_and_is_used_from_then_on(run_cli, params, photos):
    status, out, err = run_cli("weights", "import", params, "--model", NAME)
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0] == f"All 137 parameters of {NAME} matched. In scikit-learn's china.jpg it sees:"
    assert len([line for line in lines if "%" in line]) == 5
    status, out, err = run_cli(
        "train", "--model", NAME, "--data", photos, "--epochs", 0, "--out", photos.parent / "run"
    )
    assert status == 0
    described = (photos.parent / "run" / "model" / "model.json").read_text()
    assert f"imported from {params}" in described


def test_a_file_with_other_outputs_is_not_imported_and_the_hint_says_how_it_is_used(run_cli, tmp_path):
    net = zoo.build(NAME, 3, 224)
    net.initialize()
    path = tmp_path / "three.params"
    net.save_parameters(str(path))
    status, out, err = run_cli("weights", "import", path, "--model", NAME)
    assert (status, out) == (1, "")
    assert err.splitlines()[0] == f"Error: {path}: its output layer has 3 units, not ImageNet's 1000."
    assert f"--weights {path}" in err.splitlines()[1]


def test_a_file_of_another_network_is_not_imported(run_cli, params):
    status, out, err = run_cli("weights", "import", params, "--model", "resnet18_v2")
    assert (status, out) == (1, "")
    assert f"Error: {params}: doesn't fit resnet18_v2: " in err
    assert "Hint: It fits mobilenet0.25: give --model mobilenet0.25." in err
    assert not (sources.folder() / "imported").exists()


def test_a_missing_file_is_a_usage_error(run_cli, tmp_path):
    status, _, err = run_cli("weights", "import", tmp_path / "nosuch.params")
    assert status == 2
    assert err.startswith(f"Error: FILE: {tmp_path / 'nosuch.params'} is not there.")


def test_a_photo_that_cannot_be_read_leaves_nothing_imported(run_cli, params, tmp_path):
    status, _, err = run_cli("weights", "import", params, "--model", NAME, "--photo", tmp_path / "no.jpg")
    assert status == 2
    assert err.startswith(f"Error: --photo: {tmp_path / 'no.jpg'} is not there.")
    assert not (sources.folder() / "imported").exists()


def test_fetched_weights_are_verified_and_a_damaged_file_is_named(run_cli, monkeypatch, params):
    content = params.read_bytes()
    with serve(content) as server:
        source = publish(monkeypatch, NAME, "gluon", content, server.url.replace(".zip", ".params"))
        status, out, err = run_cli("weights", "fetch", NAME)
    path = sources.folder() / source.file
    assert (status, out.strip(), err) == (0, str(path), "")

    status, out, _ = run_cli("weights", "verify")
    assert status == 0, out
    assert f"whole      {path}" in out
    path.write_bytes(content[:-4] + b"\1\2\3\4")
    (sources.folder() / "half.onnx.part").write_bytes(b"half")
    (sources.folder() / "stray.params").write_bytes(b"?")
    status, out, err = run_cli("weights", "verify")
    assert status == 1
    assert f"damaged    {path}" in out
    assert "unfinished" in out
    assert "unknown" in out
    assert err.startswith("1 damaged: ")


def test_an_imported_file_that_was_altered_is_refused(run_cli, params, photos):
    run_cli("weights", "import", params, "--model", NAME)
    path = sources.folder() / "imported" / f"{NAME}.params"
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")
    assert run_cli("weights", "verify")[0] == 1
    status, _, err = run_cli("train", "--model", NAME, "--data", photos, "--epochs", 0)
    assert status == 1
    assert f"Error: {path}: is not the file that was imported" in err


def test_a_fetch_that_is_killed_goes_on_where_it_was(tmp_path):
    content = np.random.default_rng(0).bytes(3_000_000)
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    path = tmp_path / "net.params"
    part = tmp_path / "net.params.part"
    with serve(content, "slowly") as server:
        code = (
            "import sys; from pathlib import Path; from hotdog_ft.data.download import fetch; "
            f"fetch([{server.url!r}], Path({str(path)!r}), {checksum!r}, 'by hand')"
        )
        process = subprocess.Popen([sys.executable, "-c", code])
        while not (part.exists() and part.stat().st_size > 300_000):
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        have = part.stat().st_size
        assert 0 < have < len(content)
        assert not path.exists()
        server.behaviour = "good"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert server.requests == [None, f"bytes={have}-"]
    assert path.read_bytes() == content


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is now deprecated:DeprecationWarning")  # in mx.onnx
def test_the_books_recipe_runs_from_the_onnx_zoo_to_its_two_closing_lines(run_cli, monkeypatch, tmp_path, photos):
    pytest.importorskip("onnx")
    mx.random.seed(3)
    net = gluon.model_zoo.vision.resnet18_v2()
    net.initialize(mx.init.Xavier())
    net.hybridize()
    net(nd.zeros((1, 3, 224, 224)))
    net.export(str(tmp_path / "net"))
    files = str(tmp_path / "net-symbol.json"), str(tmp_path / "net-0000.params")
    mx.onnx.export_model(*files, [(1, 3, 224, 224)], np.float32, str(tmp_path / "net.onnx"))
    content = (tmp_path / "net.onnx").read_bytes()

    with serve(content) as server:
        source = publish(monkeypatch, "resnet18_v2", "onnx", content, server.url.replace(".zip", ".onnx"))
        out_folder = tmp_path / "run"
        status, out, _ = run_cli("train", "--model", "resnet18_v2", "--data", photos, "--out", out_folder)
        assert len(server.requests) == 1
    lines = out.splitlines()
    assert status == 0
    assert len(lines) == 8  # five epochs, the interval, the two
    assert lines[-2].startswith("loss ")
    assert ", train acc " in lines[-2]
    assert ", test acc " in lines[-2]
    assert lines[-1].endswith("examples/sec on [cpu(0)]")
    assert f"ONNX model zoo, {source.file}" in (out_folder / "model" / "model.json").read_text()

    # The parameters were those of the zoo: one epoch at learning rate 0 leaves them as they came.
    still = tmp_path / "still"
    run_cli("train", "--model", "resnet18_v2", "--data", photos, "--epochs", 0, "--out", still)
    saved, given = nd.load(str(still / "model" / "net.params")), net._collect_params_with_prefix()
    features = [key for key in given if key.startswith("features.")]
    assert len(features) > 90
    assert all((saved[key].asnumpy() == given[key].data().asnumpy()).all() for key in features)
