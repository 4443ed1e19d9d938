"""The shape of the package: one direction of imports, one door to MXNet, and a command line that starts at once."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "hotdog_ft"
ORDER = ["config", "data", "models", "training", "runs", "inference", "report", "serve", "recipes", "cli"]
EVERYWHERE = {"errors", "backend", "files", "machine", "stats"}
HEAVY = {
    "mxnet",
    "numpy",
    "cv2",
    "matplotlib",
    "yaml",
    "pydantic",
    "sklearn",
    "scipy",
    "PIL",
    "optuna",
    "starlette",
    "uvicorn",
}


def imports_of(path):
    """The modules that a file imports, wherever in it, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(module: str) -> str | None:
    """`hotdog_ft.data.folder` -> `data`; None for what is outside, or the package itself."""
    names = module.split(".")
    return names[1] if names[0] == "hotdog_ft" and len(names) > 1 else None


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_package_imports_only_from_packages_to_its_left(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own not in ORDER:
        return
    allowed = EVERYWHERE | set(ORDER[: ORDER.index(own) + 1])
    parts = {part_of(module) for module in imports_of(path)} - {None}
    assert {part for part in parts if part in ORDER} <= allowed


def test_the_order_names_every_package():
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert found == {*ORDER, *EVERYWHERE, "__init__", "__main__"}


def test_only_the_backend_imports_mxnet():
    users = {path.name for path in PACKAGE.rglob("*.py") if any(m.split(".")[0] == "mxnet" for m in imports_of(path))}
    assert users == {"backend.py"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["train", "--help"], ["tune", "--help"], ["predict", "--help"], ["serve", "--help"], ["trian"]],
)
def test_help_and_usage_errors_import_nothing_heavy(arguments):
    code = f"import sys; from hotdog_ft.cli import run; run({arguments}); print(sorted(sys.modules), file=sys.stderr)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in ast.literal_eval(process.stderr.splitlines()[-1])}
    assert not loaded & HEAVY


def test_a_wrong_setting_is_told_without_mxnet(tmp_path):
    code = (
        "import sys; from hotdog_ft.cli import run; "
        "status = run(['train', '--model', 'resnet81_v2']); print(status, 'mxnet' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["2", "False"]
