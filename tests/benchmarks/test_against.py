from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.against import TRAINING_SPEED, judge
from benchmarks.turns import WALL, Command, Contender, Measured
from tests.conftest import REPOSITORY


def measured(figure, values, failure=None) -> Measured:
    return Measured(Contender("A", Command(())), [{figure.key: value} for value in values], failure)


@pytest.mark.parametrize("figure", [WALL, TRAINING_SPEED])
def test_twice_the_time_or_half_the_speed_is_slower_and_fails(figure):
    ours = [20.2, 19.8, 20.1, 19.9] if figure is WALL else [5.1, 4.9, 5.0, 5.1]
    note, fails = judge(figure, measured(figure, [10, 10, 10, 10]), measured(figure, ours))
    assert "slower: 0.50" in note
    assert fails


def test_five_percent_are_told_and_do_not_fail():
    note, fails = judge(WALL, measured(WALL, [10, 10, 10, 10]), measured(WALL, [10.5, 10.4, 10.6, 10.5]))
    assert "slower: 0.95" in note
    assert not fails


def test_a_gain_is_faster():
    note, fails = judge(WALL, measured(WALL, [10, 10, 10]), measured(WALL, [5, 5.1, 4.9]))
    assert "faster: 2.00" in note
    assert not fails


@pytest.mark.parametrize("ours", [[8, 13, 9, 15], [15]], ids=["noise", "one pair"])
def test_what_may_be_chance_is_no_difference(ours):
    note, fails = judge(WALL, measured(WALL, [10, 10, 10, 10]), measured(WALL, ours))
    assert "no difference seen" in note
    assert not fails


def test_drift_that_both_share_is_no_difference():
    drift = [10, 20, 40, 30]
    note, _ = judge(WALL, measured(WALL, drift), measured(WALL, [1.01 * drift[0], *drift[1:]]))
    assert "no difference seen: 0.99" in note


def test_a_tree_that_does_not_run_fails_and_an_old_one_does_not():
    assert judge(WALL, measured(WALL, [10]), measured(WALL, [], "broken"))[1]
    assert not judge(WALL, measured(WALL, [], "no such option"), measured(WALL, [10]))[1]


class Tree:
    """A repository with this code in two commits; before and since the last, the command line sleeps for so long."""

    def __init__(self, root: Path, before: int, since: int) -> None:
        self.root = root
        for name in ("hotdog_ft", "benchmarks"):
            shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.git("init", "--quiet")
        start = root / "hotdog_ft" / "__main__.py"
        code = start.read_text()
        for seconds in (before, since):
            start.write_text(f"import time\n\ntime.sleep({seconds})\n{code}")
            self.commit(f"Sleep for {seconds} s")

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=a test", "-c", "user.email=test@localhost")
        return subprocess.check_output(["git", *who, *arguments], cwd=self.root, text=True)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def start_bench(self, *arguments: object) -> subprocess.Popen[str]:
        """scripts/bench with these arguments, on photos that are there, and with temporary files beside the tree."""
        temporary = self.root.parent / "temporary"
        temporary.mkdir()
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks", *map(str, arguments), "--out", str(self.root.parent / "out")],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root), "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # What a shell has put into the background ignores Ctrl-C, and what that starts inherits it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def assert_nothing_is_left(self) -> None:
        assert len(self.git("worktree", "list").splitlines()) == 1
        assert list((self.root.parent / "temporary").iterdir()) == []


@pytest.mark.slow
def test_a_commit_that_sleeps_is_found_to_be_slower(photos, tmp_path):
    tree = Tree(tmp_path / "tree", before=2, since=12)  # far apart: on a busy machine, starting takes 0.2 to 7 s
    bench = tree.start_bench("start", "--against", "HEAD~1", "--rounds", 4, "--data", photos)
    out, err = bench.communicate(timeout=240)
    assert bench.returncode == 1, err
    assert "This tree: slower: 0." in out
    assert "This tree: slower: 0." in (tmp_path / "out" / "bench.md").read_text()
    tree.assert_nothing_is_left()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_other_tree_is_removed_when_interrupted(photos, tmp_path, number, status):
    tree = Tree(tmp_path / "tree", before=0, since=200)
    bench = tree.start_bench("start", "--against", "HEAD~1", "--rounds", 1, "--data", photos)
    while "round 1, HEAD~1" not in bench.stderr.readline():
        assert bench.poll() is None
    time.sleep(0.5)  # into the turn that sleeps
    os.killpg(bench.pid, number)
    bench.communicate(timeout=60)
    assert bench.returncode == status
    tree.assert_nothing_is_left()


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


def test_an_unknown_commit_is_refused(photos):
    done = bench("--against", "no-such-commit", "--data", photos)
    assert done.returncode == 2
    assert "--against" in done.stderr


def test_a_suite_that_knows_no_other_version_is_refused():
    done = bench("memory", "--against", "HEAD")
    assert done.returncode == 2
    assert "there is no suite 'memory' for --against" in done.stderr


def test_data_that_is_not_there_is_an_error_with_a_hint():
    done = bench("start", "--data", "/no/such/photos")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Hint: ")
