"""Checkpoints: what is put back is what was kept, whatever the moment, and damage is noticed."""

from __future__ import annotations

import itertools
import signal

import numpy as np
import pytest

from hotdog_ft.backend import mx, nd
from hotdog_ft.errors import RunError
from hotdog_ft.training.averaging import WeightAverage
from hotdog_ft.training.checkpoint import Checkpoints, Place, Saved
from hotdog_ft.training.state import TrainingState
from hotdog_ft.training.stopping import Stopped, StopRequest
from hotdog_ft.training.tally import Tally
from hotdog_ft.training.trainer import make_trainer, train_step
from tests.training.batches import batch

TWO = [mx.cpu(0), mx.cpu(1)]


@pytest.fixture
def make(toy_net):
    """A function that makes a network with BatchNorm, its trainer, average and state, on two devices."""

    def new(seed=0, momentum=0.9):
        net = toy_net(TWO, seed, batch_norm=True)
        trainer = make_trainer(net, 0.1, 0.01, momentum)
        average = WeightAverage(net, 0.9)
        return net, trainer, average, TrainingState(net, trainer, average)

    return new


def steps(net, trainer, average, batches):
    for each in batches:
        train_step(net, [each], trainer, TWO)
        average.update()
    nd.waitall()


def everything(net, trainer, average) -> list[np.ndarray]:
    """All values on all devices, in order."""
    values = [p.list_data() for p in net.collect_params().values()]
    values += [averages for _, averages in average.items()]
    values += [[u.states[i] for u in trainer._updaters] for i in sorted(trainer._updaters[0].states)]
    return [value.asnumpy() for value in itertools.chain(*values)]


def test_a_training_goes_on_from_a_checkpoint_to_the_last_bit(make, tmp_path):
    batches = [batch(5, seed) for seed in range(6)]
    net, trainer, average, state = make()
    steps(net, trainer, average, batches[:3])
    Checkpoints(tmp_path).save(Place(batches=3), state)
    steps(net, trainer, average, batches[3:])

    other, other_trainer, other_average, other_state = make(seed=1)
    assert Checkpoints(tmp_path).restore(other_state) == Place(batches=3)
    steps(other, other_trainer, other_average, batches[3:])
    for expected, value in zip(everything(net, trainer, average), everything(other, other_trainer, other_average)):
        np.testing.assert_array_equal(value, expected)


def test_each_device_gets_back_the_statistics_that_it_has_gathered(make, tmp_path):
    net, trainer, average, state = make()
    steps(net, trainer, average, [batch(5, seed) for seed in range(2)])
    Checkpoints(tmp_path).save(Place(), state)
    name = next(name for name in net.collect_params() if name.endswith("running_var"))
    first, second = (value.asnumpy() for value in net.collect_params()[name].list_data())
    assert (first != second).any()

    other, _, _, other_state = make(seed=1)
    Checkpoints(tmp_path).restore(other_state)
    restored = next(p for name, p in other.collect_params().items() if name.endswith("running_var"))
    for value, expected in zip(restored.list_data(), (first, second)):
        np.testing.assert_array_equal(value.asnumpy(), expected)


def test_the_tally_goes_on_to_the_last_bit():
    whole, first = Tally(), Tally()
    parts = [
        ([nd.array([0.1 * i + 0.3], ctx=c) for c in TWO], [nd.array([[0.1, 0.2]], ctx=c) for c in TWO])
        for i in range(5)
    ]
    labels = [nd.array([1], ctx=c, dtype="int32") for c in TWO]
    for losses, outputs in parts:
        whole.add(losses, outputs, labels)
    for losses, outputs in parts[:2]:
        first.add(losses, outputs, labels)
    second = Tally.of(first.sums(TWO), TWO)
    for losses, outputs in parts[2:]:
        second.add(losses, outputs, labels)
    assert (second.loss, second.accuracy, second.examples) == (whole.loss, whole.accuracy, whole.examples)


def test_the_last_two_are_kept(make, tmp_path):
    state = make()[-1]
    for batches in (3, 20, 100):
        Checkpoints(tmp_path).save(Place(epoch=9, batches=batches), state)
    Checkpoints(tmp_path).save(Place(epoch=10), state)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00009-00000100.npz", "00010-00000000.npz"]


def spoil(path, how):
    data = bytearray(path.read_bytes())
    if how == "cut":
        del data[len(data) // 2 :]
    elif how == "empty":
        data.clear()
    elif how == "text":
        data[:] = b"hot dog"
    else:
        data[how] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "empty", "text", 200, 2000, -200])
def test_a_damaged_checkpoint_is_told_and_the_one_before_taken(make, tmp_path, caplog, how):
    state = make()[-1]
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(Place(batches=1), state)
    checkpoints.save(Place(batches=2), state)
    spoil(tmp_path / "00001-00000002.npz", how)
    assert checkpoints.restore(state) == Place(batches=1)
    assert f"{tmp_path / '00001-00000002.npz'}: not a checkpoint that can be used" in caplog.text


def test_every_bit_of_a_checkpoint_is_checked(make, tmp_path):
    Checkpoints(tmp_path).save(Place(), make()[-1])
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    arrays = Saved.read(path)
    rng = np.random.default_rng(0)
    noticed = 0
    for position in rng.integers(len(whole), size=300):
        path.write_bytes(
            whole[:position] + bytes([whole[position] ^ 1 << int(rng.integers(8))]) + whole[position + 1 :]
        )
        try:
            assert Saved.read(path) == arrays  # a date or an attribute in the archive's own notes
        except RunError:
            noticed += 1
    assert noticed > 200


def test_a_checkpoint_of_another_network_is_refused(make, toy_net, tmp_path):
    Checkpoints(tmp_path).save(Place(), make()[-1])
    net = toy_net(TWO, batch_norm=False)
    state = TrainingState(net, make_trainer(net, 0.1, 0.01, 0.9))
    with pytest.raises(RunError, match="another network's"):
        Checkpoints(tmp_path).restore(state)


def test_values_that_are_no_numbers_are_never_kept(make, tmp_path):
    net, _, _, state = make()
    next(iter(net.net.collect_params().values())).data(TWO[0])[:] = float("nan")
    with pytest.raises(Exception, match="diverged"):
        Checkpoints(tmp_path).save(Place(), state)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("every", "expected"), [(None, []), (1, [1, 2, 3, 4, 5]), (2, [2, 4]), (9, [])])
def test_when_one_is_due(make, tmp_path, every, expected):
    state = make()[-1]
    checkpoints = Checkpoints(tmp_path, every=every)
    saved = []
    for batches in range(1, 6):
        if checkpoints.is_due(Place(batches=batches)):
            checkpoints.save(Place(batches=batches), state)
            saved.append(batches)
    assert saved == expected


def test_a_request_to_stop_is_met_after_saving(tmp_path):
    stop = StopRequest()
    checkpoints = Checkpoints(tmp_path, stop=stop)
    checkpoints.end_if_asked(Place())
    assert not checkpoints.is_due(Place(batches=3))
    stop.number = signal.SIGTERM
    assert checkpoints.is_due(Place(batches=3))
    with pytest.raises(Stopped, match="after 3 of its batches") as stopped:
        checkpoints.end_if_asked(Place(batches=3))
    assert stopped.value.number == signal.SIGTERM
