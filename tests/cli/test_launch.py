"""`hotdog-ft launch`: several processes that train, end, fail and go on as one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.processes import leftovers, metrics, params, start, wait_for
from tests.conftest import by_hand, free_port, hotdog_ft

pytestmark = pytest.mark.slow

TWO = ("launch", "-n", "2")
LONG = ("--epochs", "2000", "--checkpoint-every", "1")


def children(launcher: subprocess.Popen) -> dict[int, str]:
    """The roles of a launcher's processes, by their numbers."""
    found = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            parent = folder.joinpath("stat").read_text().rpartition(")")[2].split()[1:2]
            if parent == [str(launcher.pid)]:
                environment = folder.joinpath("environ").read_bytes().decode(errors="replace").split("\0")
                found[int(folder.name)] = next((v[10:] for v in environment if v.startswith("DMLC_ROLE=")), "")
    return found


def has_checkpoint(run: Path):
    return lambda: any(run.glob("checkpoint/*.npz"))


def newest(run: Path) -> str:
    return max((path.name for path in run.glob("checkpoint/0*.npz")), default="")


def are_gone(numbers) -> bool:
    for number in numbers:
        with contextlib.suppress(OSError):
            os.kill(number, 0)
            return False
    return True


@pytest.fixture
def launched(quick, tmp_path):
    """A function that launches a long training. Returns launcher, processes and run once it has a checkpoint."""

    def launch(*options, before=()):
        run = tmp_path / "run"
        launcher = start(*TWO, *before, "train", *quick, *LONG, "--out", run, *options)
        wait_for(has_checkpoint(run), launcher)
        return launcher, children(launcher), run

    return launch


def test_two_processes_do_what_two_devices_do(quick, tmp_path):
    from hotdog_ft.backend import nd

    options = [*quick, "--epochs", 2, "--lr", 0.01, "--momentum", 0.9]
    one = hotdog_ft("train", *options, "--devices", "cpu:2", "--out", tmp_path / "one")
    two = hotdog_ft("launch", "-n", 2, "train", *options, "--out", tmp_path / "two")
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    assert "Training in 2 processes (dist_sync)" in two.stderr
    assert [line.split(" (")[0] for line in two.stdout.splitlines()[:-1]] == [
        line.split(" (")[0] for line in one.stdout.splitlines()[:-1]
    ]
    expected, found = (nd.load(str(tmp_path / name / "model" / "net.params")) for name in ("one", "two"))
    for name, value in expected.items():
        assert abs(found[name] - value).max().asscalar() < 1e-4 * max(1, abs(value).max().asscalar()), name


def test_a_killed_worker_ends_all_and_is_named(launched):
    launcher, processes, run = launched()
    worker = next(number for number, role in processes.items() if role == "worker")
    os.kill(worker, signal.SIGKILL)
    began = time.monotonic()
    _, err = launcher.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert launcher.returncode == 128 + signal.SIGKILL
    assert f"of 2 (process {worker}) was killed by SIGKILL; the others were ended." in err
    assert f"Hint: Go on with: hotdog-ft launch -n 2 train --resume {run}" in err
    assert sorted(processes.values()) == ["scheduler", "server", "worker", "worker"]
    assert are_gone(processes)


@pytest.mark.parametrize("role", ["server", "scheduler"])
def test_a_killed_server_ends_all(launched, role):
    launcher, processes, _ = launched()
    os.kill(next(number for number, is_ in processes.items() if is_ == role), signal.SIGKILL)
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode == 128 + signal.SIGKILL
    assert role in err
    assert are_gone(processes)


def test_after_restarts_the_end_is_that_of_an_undisturbed_training(quick, tmp_path):
    options = [*quick, "--epochs", 6, "--checkpoint-every", 1, "--momentum", 0.9, "--ema", 0.9, "--mixup", 0.2]
    whole = hotdog_ft("launch", "-n", 2, "train", *options, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    run = tmp_path / "run"
    launcher = start(*TWO, "--restarts", 3, "train", *options, "--out", run)
    wait_for(has_checkpoint(run), launcher)
    os.kill(next(number for number, role in children(launcher).items() if role == "worker"), signal.SIGKILL)
    _, err = launcher.communicate(timeout=240)
    assert launcher.returncode == 0, err
    assert "was killed by SIGKILL; the others were ended. They start again" in err
    assert params(run) == params(tmp_path / "whole")
    assert metrics(run) == metrics(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_all_save_and_end(launched, number):
    launcher, processes, run = launched()
    launcher.send_signal(number)
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode == 128 + number
    assert err.count(f"Hint: Go on with: hotdog-ft train --resume {run}") == 1
    assert are_gone(processes)
    assert not leftovers(run)
    before = newest(run)
    again = start(*TWO, "train", "--resume", run)
    wait_for(lambda: newest(run) > before, again)
    again.send_signal(number)
    again.communicate(timeout=60)
    assert again.returncode == 128 + number


def test_one_process_goes_on_with_what_two_have_begun(launched):
    launcher, _, run = launched("--momentum", "0.9")
    launcher.send_signal(signal.SIGTERM)
    launcher.communicate(timeout=60)
    before = newest(run)
    alone = start("train", "--resume", run)
    wait_for(lambda: newest(run) > before, alone)
    alone.send_signal(signal.SIGTERM)
    _, err = alone.communicate(timeout=60)
    assert alone.returncode == 128 + signal.SIGTERM, err
    assert "its processes was 2, and is 1: the last digits will differ" in err


def test_a_signal_to_one_worker_stops_all(launched):
    launcher, processes, _ = launched()
    os.kill([number for number, role in processes.items() if role == "worker"][1], signal.SIGTERM)
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode == 128 + signal.SIGTERM, err
    assert "Terminated in epoch" in err
    assert are_gone(processes)


def test_without_who_launched_them_they_end(launched):
    launcher, processes, _ = launched()
    launcher.kill()
    launcher.communicate()
    for _ in range(200):
        if are_gone(processes):
            return
        time.sleep(0.05)
    pytest.fail(f"still there: {processes}")


def test_asked_twice_all_ends_at_once(launched):
    launcher, processes, _ = launched(before=("--restarts", 2))
    for _ in range(2):
        launcher.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode != 0
    assert "They start again" not in err
    assert are_gone(processes)


def test_with_scale_lr_each_process_has_the_batch(quick, tmp_path):
    run = tmp_path / "run"
    done = hotdog_ft("launch", "-n", 2, "train", *quick, "--scale-lr", "--lr", 0.01, "--out", run)
    assert done.returncode == 0, done.stderr
    assert "--scale-lr: batches of 8 (4 for each of 2 processes), learning rate 0.02." in done.stderr
    written = (run / "config.yaml").read_text().splitlines()
    assert {"batch_size: 8", "lr: 0.02", "scale_lr: false"} <= set(written)


def test_broken_photos_are_counted_once(quick, photos, tmp_path):
    for path in sorted((photos / "train" / "red").iterdir())[:5]:
        path.write_text("not a photo")
    done = hotdog_ft("launch", "-n", 2, "train", *quick, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "5 photos that can't be read: skipped." in done.stdout


def test_what_fails_in_the_workers_is_told(quick, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("")
    done = hotdog_ft("launch", "-n", 2, "train", *quick, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert "of 2 (process " in done.stderr
    assert "ended with status 1; the others were ended." in done.stderr
    assert (tmp_path / "run" / "mine").exists()


def test_processes_with_other_photos_are_refused(quick, photos, tmp_path):
    """Each worker is started by hand, as on several machines."""
    other = tmp_path / "different"
    shutil.copytree(photos, other)
    next((other / "train" / "red").iterdir()).unlink()
    port = free_port()
    jobs = [("scheduler", photos), ("server", photos), ("worker", photos), ("worker", other)]
    processes = [
        start("train", *quick, "--data", data, "--out", tmp_path / "run", env=by_hand(role, port))
        for role, data in jobs
    ]
    try:
        wait_for(lambda: any(process.poll() for process in processes), processes[0])
        failed = next(process for process in processes if process.poll())
        assert failed.returncode == 2
        assert "--data: process 1 of 2 has other photos than the first." in failed.stderr.read()
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say what to launch"),
        (["compare"], "Say what to launch"),
        (["train", "--epohcs", "1"], "No such option"),
        (["train", "--budget", "5m"], "--budget"),
        (["train", "--kvstore", "horovod"], "--kvstore horovod"),
        (["train", "--lr", "fast"], "--lr"),
        (["train", "--resume", "nowhere"], "--resume nowhere"),
    ],
)
def test_wrong_use_is_told_before_anything_starts(run_cli, quick, arguments, message):
    status, _, err = run_cli("launch", "-n", "2", *arguments)
    assert status in (1, 2)
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("method", ["probe", "lp-ft"])
def test_a_probe_is_one_processs_work(quick, source, method, tmp_path):
    done = hotdog_ft("launch", "-n", 2, "train", *quick, "--weights", source, "--method", method)
    assert done.returncode == 2
    assert f"--method {method}: a probe is computed by one process" in done.stderr
