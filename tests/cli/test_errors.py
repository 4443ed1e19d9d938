from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from hotdog_ft.backend import mx
from hotdog_ft.data import sources
from hotdog_ft.models import zoo
from tests.cli.conftest import QUICK
from tests.cli.processes import limited, two_lines
from tests.conftest import hotdog_ft
from tests.data.servers import refusing_url


def train(*options) -> list:
    return ["train", "--data", "photos", *QUICK, *options]


def written(name: str, content: str | bytes = b"") -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def without(*names: str) -> str:
    for name in names:
        shutil.rmtree(Path("photos") / name)
    return "photos"


def emptied(name: str) -> str:
    """The data set with a folder of it empty."""
    shutil.rmtree(Path("photos") / name)
    (Path("photos") / name).mkdir()
    return "photos"


def folder(name: str) -> str:
    Path(name).mkdir(parents=True)
    return name


def broken(name: str) -> str:
    """The data set with every photo in a folder of it broken."""
    for path in (Path("photos") / name).iterdir():
        path.write_bytes(path.read_bytes()[:200])
    return "photos"


def cut_off_zip() -> str:
    whole = Path(shutil.make_archive("whole", "zip", "photos"))
    return written("cut.zip", whole.read_bytes()[:-500])


def weights_of(name: str) -> str:
    net = zoo.build(name, 10, 32)
    net.initialize(mx.init.Xavier())
    net.save_parameters("other.params")
    return "other.params"


class Case(NamedTuple):
    arguments: Callable[[], list]
    status: int
    named: tuple[str, ...]
    """What the error names."""
    hint: tuple[str, ...] = ()
    """What the hint names."""


CASES = {
    # Usage.
    "an unknown command": Case(lambda: ["tarin"], 2, ("'tarin'", "'train'"), ("--help",)),
    "an unknown command of data": Case(lambda: ["data", "fetsh"], 2, ("'fetsh'",), ("--help",)),
    "an unknown option": Case(lambda: train("--epoch", 3), 2, ("--epoch", "--epochs"), ("train --help",)),
    "an option without its value": Case(lambda: ["train", "--lr"], 2, ("--lr",), ("--help",)),
    "an argument too many": Case(lambda: ["train", "photos"], 2, ("photos",), ("train --help",)),
    "a data set that can't be fetched": Case(lambda: ["data", "fetch", "photos"], 2, ("'photos'", "demo")),
    # Values.
    "a bad value": Case(lambda: train("--lr", "fast"), 2, ("--lr", "fast"), ("--help",)),
    "several bad values": Case(lambda: train("--lr", 0, "--epochs", 1.5), 2, ("--lr", "--epochs"), ("--help",)),
    "a seed below zero": Case(lambda: train("--seed", -1), 2, ("--seed",)),
    "a learning rate that is no number": Case(lambda: train("--lr", "nan"), 2, ("--lr",)),
    "an unknown schedule": Case(lambda: train("--schedule", "linear"), 2, ("--schedule", "cosine")),
    "devices that don't exist": Case(lambda: train("--devices", "tpu"), 2, ("--devices", "tpu")),
    "an unknown network": Case(lambda: train("--model", "resnet18v2"), 2, ("resnet18v2", "resnet18_v2"), ("models",)),
    "an unknown network to describe": Case(lambda: ["models", "resnet18v2"], 2, ("resnet18_v2",), ("models",)),
    "an unknown network to show": Case(
        lambda: ["show", "--data", "photos", "--model", "x"], 2, ("x: there is no network",)
    ),
    "an image size that the network can't take": Case(
        lambda: train("--model", "inceptionv3", "--image-size", 64), 2, ("--image-size", "64", "inceptionv3")
    ),
    "an image size that is too small": Case(lambda: train("--image-size", 8), 2, ("--image-size",)),
    # Configuration files.
    "a configuration that is not there": Case(lambda: train("--config", "no.yaml"), 2, ("no.yaml",), ("--config",)),
    "an empty name of a configuration": Case(lambda: train("--config", ""), 2, ("--config",)),
    "broken YAML": Case(lambda: train("--config", written("c.yaml", "lr: [1\nx")), 2, ("c.yaml", "line")),
    "YAML that is a list": Case(lambda: train("--config", written("c.yaml", "- lr")), 2, ("c.yaml",)),
    "an unknown key in YAML": Case(lambda: train("--config", written("c.yaml", "epoch: 3")), 2, ("c.yaml", "'epochs'")),
    "a bad value in YAML": Case(lambda: train("--config", written("c.yaml", "momentum: 2")), 2, ("c.yaml: momentum",)),
    # Data.
    "data that isn't there": Case(lambda: train("--data", "nosuch"), 2, ("--data", "nosuch"), ("demo",)),
    "an empty name of data": Case(lambda: train("--data", ""), 2, ("--data",)),
    "an empty folder": Case(lambda: train("--data", folder("none")), 1, ("none",)),
    "a folder of photos without classes": Case(lambda: train("--data", "photos/train/red"), 1, ("photos/train/red",)),
    "a single class": Case(lambda: train("--data", without("train/red")), 1, ("photos/train", "'green'")),
    "an empty class": Case(lambda: train("--data", emptied("train/red")), 1, ("photos/train", "'red'")),
    "a class without test photos": Case(lambda: train("--data", without("test/red")), 1, ("photos/test", "'red'")),
    "no train/": Case(lambda: train("--data", without("train")), 1, ("photos", "train/")),
    "no test/": Case(lambda: train("--data", without("test")), 1, ("photos", "test/")),
    "a text as ZIP": Case(lambda: train("--data", written("a.zip", "hot dog")), 1, ("a.zip", "ZIP")),
    "a ZIP that breaks off": Case(lambda: train("--data", cut_off_zip()), 1, ("cut.zip", "ZIP")),
    "a class of broken photos": Case(lambda: train("--data", broken("train/red")), 1, ("photos", "'red'", "8")),
    "a test class of broken photos": Case(lambda: train("--data", broken("test/red")), 1, ("photos", "'red'", "3")),
    "too much held out": Case(lambda: train("--val-split", 0.99), 1, ("photos", "0.99"), ("--val-split",)),
    # Weights and devices.
    "weights that aren't there": Case(lambda: train("--weights", "no.params"), 2, ("--weights", "no.params")),
    "weights of another network": Case(
        lambda: train("--weights", weights_of("mobilenet0.5")), 1, ("other.params", "mobilenet0.25"), ("--model",)
    ),
    "weights that are none": Case(lambda: train("--weights", written("w.params", b"\0" * 999)), 1, ("w.params",)),
    "a GPU that isn't there": Case(lambda: train("--devices", "gpu:0"), 1, ("--devices gpu:0",), ("doctor", "cpu")),
    # Runs and pictures.
    "a run's folder that isn't empty": Case(lambda: train("--out", "photos"), 1, ("--out", "photos")),
    "a run's folder that is a file": Case(lambda: train("--out", written("f")), 1, ("--out", "f")),
    "predict without a run": Case(lambda: ["predict", "photos"], 1, ("runs/latest",), ("--run",)),
    "predict with a run that isn't one": Case(lambda: ["predict", "photos", "--run", "photos"], 1, ("photos",)),
    "predict without photos": Case(lambda: ["predict"], 2, ("PATH",)),
    "predict in two formats": Case(lambda: ["predict", "photos", "--json", "--csv"], 2, ("--json", "--csv")),
    "predict with no batch": Case(lambda: ["predict", "photos", "--batch-size", 0], 2, ("--batch-size",)),
    "show to a text": Case(lambda: ["show", "--data", "photos", "--out", "x.txt"], 2, ("--out", "x.txt"), (".png",)),
    "show to a folder": Case(lambda: ["show", "--data", "photos", "--out", folder("x.png")], 1, ("x.png",)),
    "show what isn't there": Case(lambda: ["show", "--data", "nosuch"], 2, ("--data", "nosuch")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_error_is_two_lines_that_name_what_is_wrong_and_the_fix(run_cli, photos, case):
    status, out, err = run_cli(*case.arguments())
    error, hint = two_lines(err)
    assert "Unexpected" not in error
    assert [name for name in case.named if name not in error] == []
    assert [name for name in case.hint if name not in hint] == []
    assert out == ""
    assert status == case.status
    assert not list(Path().rglob(".*-*")), "a temporary file is left"


def test_offline_the_hint_names_data_that_needs_no_network(run_cli, monkeypatch):
    monkeypatch.setattr(sources, "HOTDOG_URLS", (refusing_url(),))
    status, out, err = run_cli("train")
    error, hint = two_lines(err)
    assert (status, out) == (1, "")
    assert "hotdog.zip" in error
    assert "--data demo" in hint
    assert "--data FILE.zip" in hint


def test_offline_the_hint_names_weights_that_need_no_network(run_cli, photos, monkeypatch):
    monkeypatch.setenv("MXNET_GLUON_REPO", refusing_url())
    status, out, err = run_cli("train", "--data", photos, "--model", "resnet18_v2")
    error, hint = two_lines(err)
    assert (status, out) == (1, "")
    assert "resnet18_v2" in error
    assert "--weights FILE" in hint


def test_a_wrong_value_in_the_environment_is_named(run_cli, photos, monkeypatch):
    monkeypatch.setenv("HOTDOG_FT_MOMENTUM", "lots")
    status, _, err = run_cli(*train())
    assert status == 2
    assert "HOTDOG_FT_MOMENTUM" in two_lines(err)[0]


def test_a_cache_that_cannot_be_is_named(run_cli, photos, monkeypatch, tmp_path):
    monkeypatch.setenv("HOTDOG_FT_HOME", written(str(tmp_path / "file")))
    status, _, err = run_cli("data", "fetch", "demo")
    assert status == 1
    assert str(tmp_path / "file") in two_lines(err)[0]


def test_debug_shows_the_traceback(run_cli):
    status, _, err = run_cli("train", "--data", "nosuch", "--debug")
    assert status == 2
    assert err.startswith("Traceback")
    assert "ConfigError" in err
    assert err.splitlines()[-1].startswith("Hint: ")


def test_quiet_silences_warnings(run_cli, photos, quick):
    (photos / "train" / "red" / "notes.txt").touch()
    assert "Warning: " in run_cli("train", *quick)[2]
    assert "Warning: " not in run_cli("train", *quick, "--quiet")[2]


def test_quiet_keeps_results_and_errors(run_cli, quick):
    assert "examples/sec" in run_cli("train", *quick, "--quiet")[1]
    assert two_lines(run_cli("train", "--quiet", "--data", "nosuch")[2])


NET_PARAMS = 885_054  # bytes, of mobilenet0.25 with two classes


@pytest.mark.parametrize("size", [100_000, NET_PARAMS - 100])
def test_a_full_disk_is_told_and_leaves_no_half_model(photos, size):
    done = limited(size, train("--out", "run"))
    error, hint = two_lines(done.stderr)
    assert done.returncode == 1
    assert "run/model/net.params" in error
    assert "disk" in hint
    assert not [path for path in Path("run").rglob("*") if path.suffix in (".params", ".json")]


def test_a_full_disk_leaves_no_half_picture(photos):
    done = limited(20_000, ["show", "--data", "photos"])
    two_lines(done.stderr)
    assert done.returncode == 1
    assert [path.name for path in Path().iterdir()] == ["photos"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(run_cli, photos):
    Path("runs").mkdir(mode=0o500)
    status, out, err = run_cli(*train())
    assert (status, out) == (1, "")
    assert "runs" in two_lines(err)[0]


def test_an_error_in_a_process_of_its_own_is_the_same(photos):
    done = hotdog_ft("train", "--data", "nosuch")
    two_lines(done.stderr)
    assert (done.returncode, done.stdout) == (2, "")


def test_what_would_move_the_cursor_is_shown_as_it_is_written(run_cli):
    status, _, err = run_cli("train", "--weights", "\x1b[2Jnosuch\x07.params")
    assert status == 2
    assert err.startswith("Error: --weights: \\x1b[2Jnosuch\\x07.params is not there.")
