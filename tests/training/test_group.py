"""Several processes train as one does, by MXNet's own parameter server and by Horovod."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from hotdog_ft.backend import nd
from hotdog_ft.data.loader import Batch, Part
from hotdog_ft.errors import ConfigError, DataError
from hotdog_ft.training.group import ALONE, join
from hotdog_ft.training.stopping import StopRequest
from hotdog_ft.training.tally import Tally
from tests.conftest import REPOSITORY, by_hand, free_port
from tests.training.batches import batch

DEFAULTS = {"devices": 1, "batch_norm": False, "num_epochs": 2, "momentum": 0.9}


def command(photos, out, kvstore, options) -> list[str]:
    out.mkdir()
    module = "tests.training.group_worker"
    return [sys.executable, "-m", module, str(photos), str(out), kvstore, json.dumps({**DEFAULTS, **options})]


def on_the_parameter_server(arguments, workers):
    port = free_port()
    roles = ["scheduler", "server", *["worker"] * workers]
    processes = [subprocess.Popen(arguments, env=by_hand(role, port, workers), cwd=REPOSITORY) for role in roles]
    try:
        assert [process.wait(240) for process in processes] == [0] * len(roles)
    finally:
        for process in processes:
            process.kill()


def by_horovod(arguments, workers):
    run = ["horovodrun", "--gloo", "-np", str(workers), "-H", f"localhost:{workers}", *arguments]
    subprocess.run(run, cwd=REPOSITORY, check=True, timeout=240)


KINDS = [
    pytest.param("dist_sync", on_the_parameter_server, id="dist_sync"),
    pytest.param(
        "horovod",
        by_horovod,
        id="horovod",
        marks=pytest.mark.skipif(importlib.util.find_spec("horovod") is None, reason="Horovod isn't installed"),
    ),
]


@pytest.fixture
def compared(photos, tmp_path):
    """A function that trains in one process, and in several. Returns what both came to: parameters and results."""

    def compare(kvstore, run, workers=2, devices=1, **options):
        alone = command(photos, tmp_path / "alone", "local", {**options, "devices": devices})
        subprocess.run(alone, cwd=REPOSITORY, check=True, timeout=240)
        run(command(photos, tmp_path / "group", kvstore, options), workers)
        found = [
            (
                {name: value.asnumpy() for name, value in nd.load(str(path)).items()},
                json.loads(path.with_suffix(".json").read_text()),
            )
            for path in [tmp_path / "alone" / "0.params", *(tmp_path / "group" / f"{i}.params" for i in range(workers))]
        ]
        return found[0], found[1:]

    return compare


def assert_close(results, expected):
    assert len(results) == len(expected)
    for found, wanted in zip(results, expected):
        assert found == pytest.approx({**wanted, "devices": found["devices"]}, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("kvstore", "run"), KINDS)
@pytest.mark.parametrize("options", [{}, {"accumulate": 2, "ema": 0.9}], ids=["plain", "accumulate, ema"])
def test_two_processes_come_to_the_parameters_of_one(compared, photos, kvstore, run, options):
    next((photos / "train").rglob("*.jpg")).write_text("not a photo")  # 15 in batches of 5, 5, 5 and 0
    (alone, results), group = compared(kvstore, run, **options)
    for parameters, _ in group:
        for name, value in alone.items():
            assert np.abs(parameters[name] - value).max() < 1e-5, name
            np.testing.assert_array_equal(parameters[name], group[0][0][name])
    for _, found in group:
        assert_close(found, results)


@pytest.mark.slow
@pytest.mark.parametrize(("kvstore", "run"), KINDS)
def test_more_processes_than_photos_in_the_last_batch(compared, kvstore, run):
    (alone, results), group = compared(kvstore, run, workers=3)  # 16 in batches of 5: 5, 5, 5, 1
    for parameters, found in group:
        for name, value in alone.items():
            assert np.abs(parameters[name] - value).max() < 1e-5, name
        assert_close(found, results)


@pytest.mark.slow
@pytest.mark.parametrize(("kvstore", "run"), KINDS)
def test_batch_norm_is_that_of_as_many_devices(compared, kvstore, run):
    (alone, results), group = compared(kvstore, run, devices=2, batch_norm=True, ema=0.9)
    statistics = [name for name in alone if name.endswith(("running_mean", "running_var"))]
    assert len(statistics) == 2
    for parameters, found in group:
        for name, value in alone.items():
            assert np.abs(parameters[name] - value).max() < 1e-5, name
            np.testing.assert_array_equal(parameters[name], group[0][0][name])
        assert_close(found, results)


class Both:
    """A key-value store that plays the second of two processes, which gives the same as the first."""

    rank, num_workers = 0, 2

    def broadcast(self, key, value, out):
        out[:] = value

    def pushpull(self, key, value, out):
        out[:] = value * 2


@pytest.fixture
def two():
    from hotdog_ft.training.group import Group

    return Group(Both())


def test_alone_nothing_changes():
    batches = [batch(3), batch(2)]
    assert list(ALONE.in_step(batches)) == batches
    assert ALONE.tell({"a": 1}) == {"a": 1}
    assert ALONE.union("broken", {1, 3}, 5) == {1, 3}
    assert ALONE.part == Part(0, 1)


def test_a_batch_tells_how_many_photos_it_has_everywhere(two):
    assert [each.photos for each in two.in_step([batch(3), batch(2)])] == [6, 4]
    nothing = Batch(np.empty((0, 1, 1, 3), np.uint8), np.empty(0, np.int32))
    assert len(list(two.in_step([batch(3), nothing]))) == 1


def test_an_epoch_of_which_nobody_can_read_a_photo_is_an_error(two):
    nothing = Batch(np.empty((0, 1, 1, 3), np.uint8), np.empty(0, np.int32))
    with pytest.raises(DataError, match="in any of 2 processes"):
        list(two.in_step([nothing, dataclasses.replace(nothing, number=1)]))
    assert list(two.in_step([dataclasses.replace(nothing, number=4)])) == []  # of an epoch that goes on
    assert list(two.in_step([])) == []  # from its end


def test_a_tally_is_told_by_processes_that_have_counted_nothing_too(two):
    """The devices that have got a photo may be fewer in one process than in another: only sums are exchanged."""
    tally = Tally()
    assert tally.everywhere(two).examples == 0
    tally.add([nd.array([1.0, 2.0])], [nd.array([[0, 1], [0, 1]])], [nd.array([1, 0], dtype="int32")])
    found = tally.everywhere(two)
    assert (found.examples, found.loss, found.accuracy, found.finite) == (4, 1.5, 0.5, True)
    assert {shape for _, shape in two._keys} == {(4,)}


def test_a_request_to_stop_counts_once_all_know_of_it(two):
    stop = StopRequest(alone=False)
    batches = two.in_step([batch(1)] * 3, stop)
    next(batches)
    stop.number = 15
    assert stop.met is None
    next(batches)
    assert stop.met == 15


@pytest.mark.parametrize("name", ["DMLC_NUM_WORKER", "DMLC_PS_ROOT_PORT", "DMLC_PS_ROOT_URI"])
def test_what_is_missing_of_the_parameter_servers_variables_is_told(monkeypatch, name):
    right = {"DMLC_ROLE": "worker", "DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": "1", "DMLC_NUM_SERVER": "1"}
    for key, value in {**right, "DMLC_NUM_WORKER": "1"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv(name, "" if name == "DMLC_PS_ROOT_URI" else "two")
    with pytest.raises(ConfigError, match=name):
        join("auto")


def test_a_kvstore_that_nobody_has_set_up_is_an_error(monkeypatch):
    monkeypatch.delenv("DMLC_ROLE", raising=False)
    with pytest.raises(ConfigError, match="DMLC_ROLE"):
        join("dist_sync")
    assert join("auto") is ALONE
