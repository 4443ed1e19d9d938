"""A copy of the scripts, on a machine with a fake python and a fake nvidia-smi: nothing is downloaded."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

# What the scripts call, apart from python and nvidia-smi, which a test gives them or doesn't.
TOOLS = "bash cat dirname env flock ln mkdir mv readlink rm sed sha256sum sleep sort tail touch".split()

# A Python that answers as a 3.11 does, makes empty virtual environments, and whose pip only writes down its arguments.
# FAKE_LIBRARIES: what it says is missing. FAKE_VENV=missing: no venv module. FAKE_PIP: a command that pip runs.
PYTHON = """\
#!/usr/bin/env bash
case "$*" in
  *sys.version_info*) echo "${FAKE_VERSION:-3.11.7} $0" ;;
  *ctypes*) printf '%s' "${FAKE_LIBRARIES:-}" ;;
  *"import ensurepip, venv"*) [[ ${FAKE_VENV:-} != missing ]] ;;
  "-m venv "*)
    mkdir -p "${@: -1}/bin"
    for name in python hotdog-ft; do ln -s "$0" "${@: -1}/bin/$name"; done
    ;;
  "-m pip "*)
    echo "$*" >>"$FAKE_PIP_LOG"
    eval "${FAKE_PIP:-}"
    ;;
  *) echo "python $*" ;;
esac
"""


def write_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if text.startswith("#!") else f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


class Repository:
    """A copy of scripts/ and pyproject.toml, and the PATH on which its scripts run."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a repository"
        self.bin = folder / "bin"
        self.pip_log = folder / "pip.log"
        self.stamp = self.root / ".venv" / "hotdog-ft.stamp"
        self.environment = {"PATH": str(self.bin), "LC_ALL": "C.UTF-8", "FAKE_PIP_LOG": str(self.pip_log)}
        shutil.copytree(SCRIPTS, self.root / "scripts")
        shutil.copy(SCRIPTS.parent / "pyproject.toml", self.root)
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or pytest.skip(f"no {tool}"))

    def add(self, name: str, text: str) -> Path:
        """Put a script on the PATH."""
        return write_script(self.bin / name, text)

    def add_gpus(self, *gpus: str) -> None:
        """Put an nvidia-smi on the PATH that knows these GPUs: "driver version, compute capability"."""
        self.add("nvidia-smi", "\n".join(f"echo '{gpu}'" for gpu in gpus))

    def start(self, script: str = "setup", *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.root / "scripts" / script), *arguments],
            env={**self.environment, **environment},
            cwd=self.root.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, script: str = "setup", *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        with self.start(script, *arguments, **environment) as process:
            stdout, stderr = process.communicate("from stdin\n", timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def installed(self) -> list[str]:
        """What pip was asked for so far, a call an item."""
        return self.pip_log.read_text(encoding="utf-8").splitlines() if self.pip_log.exists() else []


@pytest.fixture
def bare_repository(tmp_path: Path) -> Repository:
    """A repository on a machine without any Python."""
    return Repository(tmp_path)


@pytest.fixture
def repository(bare_repository: Repository) -> Repository:
    """A repository on a machine with one Python, python3."""
    bare_repository.add("python3", PYTHON)
    return bare_repository
