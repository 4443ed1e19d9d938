from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import cv2
import pytest

from hotdog_ft.cli import COMMANDS
from hotdog_ft.models.table import networks
from tests.conftest import hotdog_ft


def test_show_draws_two_rows_of_eight(run_cli, photos):
    assert run_cli("show", "--data", photos) == (0, "show.png\n", "")
    height, width = cv2.imread("show.png").shape[:2]
    assert width / height == pytest.approx(8 / 2, rel=0.2)  # photos as squares, with a title above each row


def test_show_writes_where_it_is_told(run_cli, photos):
    assert run_cli("show", "--data", photos, "--out", "new/two words.jpg") == (0, "new/two words.jpg\n", "")
    assert cv2.imread("new/two words.jpg") is not None
    assert [path.name for path in Path("new").iterdir()] == ["two words.jpg"]


def shown(run_cli, photos, *options) -> bytes:
    assert run_cli("show", "--data", photos, *options)[0] == 0
    return Path("show.png").read_bytes()


def test_augmented_shows_something_else(run_cli, photos):
    assert shown(run_cli, photos) != shown(run_cli, photos, "--augmented")


def test_augmented_is_the_same_for_a_seed(run_cli, photos):
    first, again, other = (shown(run_cli, photos, "--augmented", "--seed", seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_models_lists_every_network(run_cli):
    status, out, err = run_cli("models")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(networks())


def test_models_describes_a_network(run_cli):
    status, out, err = run_cli("models", "resnet18_v2")
    assert (status, err) == (0, "")
    assert "Dense(512 -> 1000, linear)" in out  # shared/reference/fine-tuning.txt: the book prints this layer
    assert "11,687,848" in out  # Gluon's resnet18_v2
    assert "resize to 256 x 256" in out
    assert "centre crop 224" in out
    assert "mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225" in out
    assert "not on this machine" in out
    assert "a81db45fd7b7a2d12ab97cd88ef0a5ac48b8f657" in out


def test_models_says_where_the_weights_are(run_cli):
    path = Path(os.environ["MXNET_HOME"]) / "models" / "resnet18_v2-a81db45f.params"
    path.parent.mkdir()
    path.touch()
    assert str(path) in run_cli("models", "resnet18_v2")[1]


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A function that puts an nvidia-smi with this answer on the PATH."""

    def answering(text: str) -> None:
        path = tmp_path / "bin" / "nvidia-smi"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")

    return answering


def test_doctor_names_what_this_machine_has(run_cli):
    status, out, err = run_cli("doctor")
    assert err == ""
    assert status == (1 if "->" in out else 0)
    for name in ("Python", "MXNet", "threads", "GPU", "cache", "weights", os.environ["HOTDOG_FT_HOME"]):
        assert name in out


def test_doctor_marks_what_is_wrong_and_tells_the_fix(run_cli, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOTDOG_FT_HOME", str(tmp_path / "file"))
    status, out, _ = run_cli("doctor")
    assert status == 1
    cache = next(i for i, line in enumerate(out.splitlines()) if "cache" in line)
    assert out.splitlines()[cache].startswith("!")
    assert "HOTDOG_FT_HOME" in out.splitlines()[cache + 1]


def test_doctor_says_why_a_gpu_cannot_be_used(run_cli, nvidia_smi):
    nvidia_smi("echo 'NVIDIA H100 80GB HBM3, 9.0, 550.54.15'")
    _, out, _ = run_cli("doctor")
    line = next(line for line in out.splitlines() if "H100" in line)
    assert "compute capability 9.0" in line
    assert "driver 550.54.15" in line
    assert "MXNet 1.9.1 has no code for it" in line


def test_doctor_tells_how_to_use_a_gpu_that_could_be(run_cli, nvidia_smi):
    nvidia_smi("echo 'Tesla T4, 7.5, 470.82.01'")
    status, out, _ = run_cli("doctor")
    assert status == 1
    assert "HOTDOG_FT_EXTRA=cu112 scripts/setup" in out


@pytest.mark.parametrize("answer", ["exit 9", "echo 'NVIDIA-SMI has failed'", "echo 'Tesla K80, [N/A], 470'", "true"])
def test_doctor_survives_an_nvidia_smi_that_fails(run_cli, nvidia_smi, answer):
    nvidia_smi(answer)
    _, out, err = run_cli("doctor")
    assert "weights" in out
    assert err == ""


def test_the_demo_data_is_brought_to_the_cache(run_cli):
    status, out, err = run_cli("data", "fetch", "demo")
    folder = Path(out.removesuffix("\n"))
    assert (status, err) == (0, "")
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["test", "train"]
    assert folder.parent == Path(os.environ["HOTDOG_FT_HOME"]) / "data"
    assert list(folder.parent.iterdir()) == [folder]


def test_the_version_is_printed(run_cli):
    assert run_cli("--version") == (0, f"hotdog-ft, version {version('hotdog-ft')}\n", "")


def test_help_lists_every_command(run_cli):
    _, out, _ = run_cli("--help")
    assert [name for name in COMMANDS if f"\n  {name} " not in out] == []


GROUPS = {
    "data": ["fetch", "check", "salvage"],
    "runs": ["list", "compare", "clean"],
    "weights": ["list", "fetch", "verify", "import"],
}


@pytest.mark.parametrize(
    "command",
    [[name] for name in COMMANDS if name not in GROUPS] + [[group, name] for group in GROUPS for name in GROUPS[group]],
    ids=" ".join,
)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help_quiet_and_debug(run_cli, command, option):
    status, out, err = run_cli(*command, option)
    assert (status, err) == (0, "")
    assert out.startswith("Usage: hotdog-ft " + " ".join(command))
    assert "--quiet" in out
    assert "--debug" in out


def test_the_program_runs_as_a_module(tmp_path):
    done = hotdog_ft("--version")
    assert (done.returncode, done.stdout) == (0, f"hotdog-ft, version {version('hotdog-ft')}\n")


@pytest.mark.parametrize("arguments", [[], ["data"]], ids=["hotdog-ft", "data"])
def test_without_a_command_the_help_is_shown(run_cli, arguments):
    assert run_cli(*arguments) == run_cli(*arguments, "--help")


def test_models_are_ranked_by_published_accuracy_with_their_speed_here(run_cli, monkeypatch):
    from hotdog_ft.recipes import rank

    speeds = {"resnet18_v2": rank.Speed(12.34, 45.6), "mobilenet0.25": rank.Speed(None, None, "ended by signal 9")}
    monkeypatch.setattr(rank, "_measure_apart", lambda name: speeds.get(name, rank.Speed(1.0, 2.0)))
    status, out, err = run_cli("models", "--rank", "mobilenet0.25", "resnet18_v2", "nasnet_4_1056")
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[1].split() == ["resnet18_v2", "0.710", "11,687,848", "12.3", "45.6"]
    assert lines[2].split(maxsplit=3)[3] == "can't be measured: ended by signal 9"
    assert lines[3].split() == ["nasnet_4_1056", "-", "5,303,930", "1.0", "2.0"]


def test_again_belongs_to_rank(run_cli):
    status, _, err = run_cli("models", "--again")
    assert status == 2
    assert "--again: belongs to --rank" in err


def test_models_of_a_pattern_are_listed(run_cli):
    status, out, _ = run_cli("models", "mobilenetv3*", "resnet50_v1_int8")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == [
        "mobilenetv3_large",
        "mobilenetv3_small",
        "resnet50_v1_int8",
    ]
    assert "can't be fine-tuned: it is resnet50_v1 in 8-bit integers" in out
