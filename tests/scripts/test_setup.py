"""scripts/setup and what starts it: which Python, which MXNet, when it works and when it only looks."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time

import pytest


def assert_error(result, status: int, *words: str) -> None:
    """Two lines on stderr, `Error: …` and `Hint: …`, nothing on stdout."""
    lines = result.stderr.splitlines()
    assert result.returncode == status, result.stderr
    assert result.stdout == ""
    assert [line.split(":")[0] for line in lines] == ["Error", "Hint"], result.stderr
    for word in words:
        assert word in result.stderr


# Which MXNet. Compute capabilities are from NVIDIA's list of GPUs, the oldest driver from CUDA 11's release notes.


def test_machine_without_nvidia_gpu_gets_cpu(repository):
    result = repository.run("setup", "--print-extra")
    assert (result.stdout, result.stderr, result.returncode) == ("cpu\n", "", 0)


@pytest.mark.parametrize(
    "gpu",
    [
        "470.57.02, 5.2",  # GTX 980
        "460.32.03, 6.1",  # GTX 1080
        "525.105.17, 7.5",  # T4
        "535.54.03, 8.0",  # A100
        "550.54.15, 8.9",  # RTX 4090
        "450.80.02, 7.0",  # the oldest driver that serves
    ],
)
def test_gpu_that_mxnet_has_code_for_gets_cu112(repository, gpu):
    repository.add_gpus(gpu)
    result = repository.run("setup", "--print-extra")
    assert (result.stdout, result.stderr) == ("cu112\n", "")


@pytest.mark.parametrize(
    ("gpu", "reason"),
    [
        ("550.54.15, 9.0", "compute capability is 9.0"),  # H100
        ("570.86.10, 10.0", "compute capability is 10.0"),  # B200
        ("470.256.02, 3.7", "compute capability is 3.7"),  # K80
        ("450.51.06, 7.5", "driver is 450.51.06"),
        ("418.87.00, 7.0", "driver is 418.87.00"),
        ("550.54.15, [N/A]", "nvidia-smi"),
    ],
)
def test_gpu_that_mxnet_cannot_use_gets_cpu_and_the_reason(repository, gpu, reason):
    repository.add_gpus(gpu)
    result = repository.run("setup", "--print-extra")
    assert result.stdout == "cpu\n"
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_one_usable_gpu_of_two_is_enough(repository):
    repository.add_gpus("550.54.15, 9.0", "550.54.15, 8.0")
    result = repository.run("setup", "--print-extra")
    assert (result.stdout, result.stderr) == ("cu112\n", "")


@pytest.mark.parametrize(
    "nvidia_smi",
    [
        "echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9",
        "echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2",
        "echo 'Field \"compute_cap\" is not a valid field to query.'",
        "echo 'No devices were found'; exit 6",
        "exit 127",
        "true",
    ],
)
def test_nvidia_smi_without_an_answer_means_cpu(repository, nvidia_smi):
    repository.add("nvidia-smi", nvidia_smi)
    result = repository.run("setup", "--print-extra")
    assert (result.stdout, result.returncode) == ("cpu\n", 0)
    assert "nvidia-smi" in result.stderr


@pytest.mark.parametrize(("extra", "gpu"), [("cpu", "535.54.03, 8.0"), ("cu112", "535.54.03, 9.0")])
def test_extra_from_the_environment_wins(repository, extra, gpu):
    repository.add_gpus(gpu)
    result = repository.run("setup", "--print-extra", HOTDOG_FT_EXTRA=extra)
    assert (result.stdout, result.stderr) == (f"{extra}\n", "")


def test_unknown_extra_is_refused(repository):
    assert_error(repository.run(HOTDOG_FT_EXTRA="cu118"), 2, "HOTDOG_FT_EXTRA=cu118", "cpu or cu112")


def test_unknown_argument_is_refused(repository):
    assert_error(repository.run("setup", "develop"), 2, "develop", "scripts/setup dev")


# Which Python.


def test_machine_without_python_is_told_what_to_install(bare_repository):
    assert_error(bare_repository.run(), 1, "Python 3.9 to 3.12", "apt-get install python3.11", "uv python install")


def test_shims_that_fail_count_as_no_python(bare_repository):
    for name in ("python3", "python3.9", "python3.10", "python3.11", "python3.12"):
        bare_repository.add(name, "echo 'pyenv: command not found' >&2; exit 127")
    assert_error(bare_repository.run(), 1, "none that runs was found")


def test_shim_that_fails_is_passed_over(repository):
    works = (repository.bin / "python3").rename(repository.bin / "python3.10")
    repository.add("python3", "exit 1")
    repository.add("python3.11", "exit 127")
    result = repository.run("setup", "--print-python")
    assert (result.stdout, result.stderr) == (f"{works}\n", "")


def test_python_that_is_too_new_is_passed_over(repository):
    works = (repository.bin / "python3").rename(repository.bin / "python3.12")
    repository.add("python3", 'case "$2" in *"< (3, 13)"*) exit 1 ;; esac')
    assert repository.run("setup", "--print-python").stdout == f"{works}\n"


def test_python_from_the_environment_goes_first(repository):
    mine = repository.root.parent / "my python"
    mine.symlink_to(repository.bin / "python3")
    result = repository.run("setup", "--print-python", HOTDOG_FT_PYTHON=str(mine))
    assert (result.stdout, result.stderr) == (f"{mine}\n", "")


def test_python_from_the_environment_that_does_not_run_is_refused(repository):
    assert_error(repository.run(HOTDOG_FT_PYTHON="/no/python"), 2, "HOTDOG_FT_PYTHON=/no/python")


def test_missing_system_libraries_are_told_before_any_download(repository):
    result = repository.run(FAKE_LIBRARIES="libgomp.so.1 and libquadmath.so.0\nlibgomp1 libquadmath0\n")
    assert_error(result, 1, "libgomp.so.1 and libquadmath.so.0", "apt-get install libgomp1 libquadmath0")
    assert repository.installed() == []


def test_missing_venv_module_is_told_before_any_download(repository):
    assert_error(repository.run(FAKE_VENV="missing"), 1, "venv module", "apt-get install python3.11-venv")
    assert repository.installed() == []


# When it works and when it only looks.


def test_first_run_installs_and_the_second_does_nothing(repository):
    first = repository.run()
    assert first.returncode == 0, first.stderr
    assert first.stdout == ""
    assert len(first.stderr.splitlines()) == 1
    installed = repository.installed()
    assert any("-e .[cpu,gluoncv,serve,weights]" in call for call in installed)
    assert any("--no-deps gluoncv==0.10.5.post0" in call for call in installed)

    second = repository.run()
    assert (second.stdout, second.stderr, second.returncode) == ("", "", 0)
    assert repository.installed() == installed


def test_uv_installs_where_there_is_one_and_needs_no_ensurepip(repository):
    repository.add("uv", 'echo "uv $*" >>"$FAKE_PIP_LOG"')
    result = repository.run(FAKE_VENV="missing")
    assert result.returncode == 0, result.stderr
    assert len(repository.installed()) == 2
    assert all(call.startswith("uv pip install") for call in repository.installed())


def test_dev_is_added_on_top_and_serves_users_too(repository):
    repository.run()
    kept = repository.root / ".venv" / "kept"
    kept.touch()

    repository.run("setup", "dev")
    assert "-e .[cpu,gluoncv,serve,weights,dev]" in repository.installed()[-1]
    assert kept.exists()
    calls = len(repository.installed())

    repository.run()
    repository.run("setup", "dev")
    assert len(repository.installed()) == calls


def test_changed_pyproject_makes_it_anew(repository):
    repository.run()
    left_over = repository.root / ".venv" / "left over"
    left_over.touch()
    with (repository.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    repository.run()
    assert repository.stamp.exists()
    assert not left_over.exists()


def test_another_extra_makes_it_anew_and_stays_chosen(repository):
    repository.run()
    left_over = repository.root / ".venv" / "left over"
    left_over.touch()
    assert "cu112" in repository.run(HOTDOG_FT_EXTRA="cu112").stderr
    assert not left_over.exists()
    assert repository.run().stderr == ""  # not back to cpu, though this machine has no GPU
    assert repository.run("setup", "--print-extra").stdout == "cu112\n"


def test_another_python_makes_it_anew(repository):
    repository.run()
    other = repository.add("other", (repository.bin / "python3").read_text().replace("3.11.7", "3.9.18"))
    result = repository.run(HOTDOG_FT_PYTHON=str(other))
    assert "Python 3.9.18" in result.stderr
    assert repository.run().stderr == ""  # the choice lasts


def test_python_that_was_removed_makes_it_anew(repository):
    repository.run()
    (repository.bin / "python3").rename(repository.bin / "python3.12")
    assert "Setting up" in repository.run().stderr
    assert repository.run().stderr == ""


def test_moved_repository_makes_it_anew(repository):
    repository.run()
    repository.root = repository.root.rename(repository.root.with_name("elsewhere"))
    assert "Setting up" in repository.run().stderr


def test_failed_pip_gets_an_error_and_a_hint_and_no_stamp(repository):
    result = repository.run(FAKE_PIP="echo 'ERROR: No matching distribution found for mxnet' >&2; exit 1")
    assert result.returncode == 1
    assert result.stdout == ""
    *shown, error, hint = result.stderr.splitlines()
    assert "ERROR: No matching distribution found for mxnet" in shown
    assert error.startswith("Error: ")
    assert hint.startswith("Hint: Check the network")
    assert not repository.stamp.exists()

    assert repository.run().returncode == 0
    assert repository.stamp.exists()


def test_failure_to_add_dev_leaves_a_venv_that_serves_users(repository):
    repository.run()
    assert repository.run("setup", "dev", FAKE_PIP="exit 1").returncode == 1
    result = repository.run()
    assert (result.stderr, result.returncode) == ("", 0)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("argument", ["", "dev"])
def test_interrupted_setup_is_done_again_from_the_start(repository, signal_number, argument):
    if argument:
        repository.run()
    started = repository.root.parent / "started"
    # As pip does, it ends with an ordinary failure when it is interrupted.
    pip = f"trap 'exit 1' INT; touch '{started}'; sleep 30"
    with repository.start("setup", *filter(None, [argument]), FAKE_PIP=pip) as process:
        while not started.exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal_number)
        process.communicate(timeout=10)
    assert process.returncode != 0
    assert not repository.stamp.exists()

    left_over = repository.root / ".venv" / "left over"
    left_over.touch()
    assert repository.run("setup", *filter(None, [argument])).returncode == 0
    assert repository.stamp.exists()
    assert not left_over.exists()


def test_two_at_once_do_the_work_once(repository):
    processes = [repository.start("setup", FAKE_PIP="sleep 0.2") for _ in range(2)]
    errors = [process.communicate(timeout=30)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert sum("Setting up" in error for error in errors) == 1
    assert sum("gluoncv==" in call for call in repository.installed()) == 1


def test_looking_costs_little(repository):
    repository.run()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(5):
        repository.run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 5
    assert seconds < 0.05  # it runs before every command; of the processor's time, since a test shares the machine


# What starts it.


def test_hotdog_ft_sets_up_quietly_and_passes_arguments_and_stdin_on(repository):
    python = repository.bin / "python3"
    python.write_text(python.read_text().replace('echo "python $*"', 'echo "$PWD $*"; cat'))
    result = repository.run("hotdog-ft", "predict", "-", "--json")
    assert result.stdout == f"{repository.root.parent} predict - --json\nfrom stdin\n"
    assert result.returncode == 0


def test_scripts_work_through_a_symlink_from_any_folder(repository, tmp_path):
    link = tmp_path / "linked"
    link.symlink_to(repository.root / "scripts" / "hotdog-ft")
    stdout = subprocess.check_output([link, "doctor"], env=repository.environment, cwd="/", text=True, timeout=60)
    assert stdout == "python doctor\n"
    assert repository.stamp.exists()


def test_test_runs_pytest_in_the_repository_with_its_arguments(repository):
    python = repository.bin / "python3"
    python.write_text(python.read_text().replace('echo "python $*"', 'echo "$PWD $*"'))
    result = repository.run("test", "-m", "not slow")
    assert result.stdout == f"{repository.root} -m pytest -m not slow\n"
    assert ",dev]" in "".join(repository.installed())
