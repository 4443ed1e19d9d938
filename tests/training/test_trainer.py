from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from hotdog_ft.backend import autograd, gluon, mx, nd
from hotdog_ft.data.augment import for_training
from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.loader import Batch, PhotoLoader
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.data.soften import SoftLoader
from hotdog_ft.errors import DivergedError
from hotdog_ft.models.finetune import keep_statistics
from hotdog_ft.models.photo_input import normalized_first
from hotdog_ft.models.training_graph import training_network
from hotdog_ft.models.training_graph.network import faster_network
from hotdog_ft.training import trainer as module
from hotdog_ft.training.tally import Tally
from hotdog_ft.training.trainer import balanced_weights, evaluate_accuracy, make_trainer, train_fine_tuning, train_step
from tests.conftest import parameters
from tests.training.batches import batch

ONE = [mx.cpu(0)]
TWO = [mx.cpu(0), mx.cpu(1)]
THREE = [mx.cpu(0), mx.cpu(1), mx.cpu(2)]
SMALL = Preprocess(image_size=16, resize=18)


def step(net, devices, sizes, **options):
    """Take a step on a batch of each size. Returns the parameters."""
    trainer = make_trainer(net, **{"lr": 0.1, "wd": 0.001, "momentum": 0.0, **options})
    for seed, size in enumerate(sizes):
        train_step(net, [batch(size, seed)], trainer, devices)
    nd.waitall()
    return parameters(net.net)


def gradients(net, devices, size):
    """The mean gradient of a batch, summed over the devices as the trainer does it."""
    before = parameters(net.net)
    after = step(net, devices, [size], wd=0.0)
    return {name: (before[name] - after[name]) / 0.1 for name in before}


@pytest.mark.parametrize("devices", [TWO, THREE])
@pytest.mark.parametrize("size", [8, 7, 4, 2, 1])
def test_the_gradient_on_several_devices_equals_that_on_one(toy_net, devices, size):
    one, several = gradients(toy_net(ONE), ONE, size), gradients(toy_net(devices), devices, size)
    assert max(np.abs(value).max() for value in one.values()) > 1e-3
    for name in one:
        assert np.abs(one[name] - several[name]).max() < 1e-5, name


def test_the_gradient_is_the_mean_over_the_batch(toy_net):
    net = toy_net(ONE)
    six = batch(6)
    with autograd.record():
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(net(nd.array(six.X, dtype="uint8")), nd.array(six.y)).mean()
    loss.backward()
    expected = {name: p.grad().asnumpy().copy() for name, p in net.net._collect_params_with_prefix().items()}
    found = gradients(toy_net(ONE), ONE, 6)
    for name in expected:
        assert np.abs(expected[name] - found[name]).max() < 1e-5, name


@pytest.mark.parametrize("sizes", [[6, 1, 6, 1], [1, 6], [2, 2, 1]])
def test_a_device_without_a_part_adds_no_stale_gradient(toy_net, sizes):
    one = step(toy_net(ONE), ONE, sizes, momentum=0.9)
    three = step(toy_net(THREE), THREE, sizes, momentum=0.9)
    for name in one:
        assert np.abs(one[name] - three[name]).max() < 1e-5, name


def test_devices_stay_equal(toy_net):
    net = toy_net(THREE)
    step(net, THREE, [7, 1, 5], momentum=0.9)
    for parameter in net.collect_params().values():
        values = [value.asnumpy() for value in parameter.list_data()]
        assert all((value == values[0]).all() for value in values)


def test_the_output_learns_lr_mult_times_faster(toy_net):
    def change_of_output(lr_mult):
        net = toy_net(ONE)
        before = parameters(net.net)
        net.net.output.collect_params().setattr("lr_mult", lr_mult)
        after = step(net, ONE, [6], wd=0.0)
        return before["output.weight"] - after["output.weight"]

    assert np.abs(change_of_output(10) - 10 * change_of_output(1)).max() < 1e-6


@pytest.fixture
def loaders(photos):
    folder = read_folder(photos)

    def make(batch_size=5, workers=2, seed=0):
        train = PhotoLoader(folder.train, for_training(SMALL), batch_size, workers, shuffle=True, seed=seed)
        return train, PhotoLoader(folder.test, SMALL.for_test, batch_size, workers)

    return make


def train(net, loaders, devices=ONE, **options):
    train_iter, test_iter = loaders
    return list(train_fine_tuning(net, train_iter, test_iter, devices, **{"lr": 0.5, "num_epochs": 3, **options}))


def test_two_colours_are_learned(toy_net, loaders):
    results = train(toy_net(ONE), loaders(), num_epochs=8, momentum=0.9)
    assert [result.epoch for result in results] == list(range(1, 9))
    assert results[-1].loss < results[0].loss
    assert results[-1].test_acc == 1.0


@pytest.mark.parametrize("devices", [ONE, TWO])
def test_the_same_seed_gives_the_same_parameters_bit_for_bit(toy_net, loaders, devices):
    def final(workers, seed):
        net = toy_net(devices, batch_norm=True)
        train(net, loaders(workers=workers, seed=seed), devices, momentum=0.9, seed=seed)
        return parameters(net.net)

    first, other = final(2, 1), final(2, 2)
    for _ in range(4):
        again = final(3, 1)
        assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


@pytest.mark.parametrize("batch_size", [5, 16, 100])
def test_several_devices_train_like_one(toy_net, loaders, batch_size):
    one, two = toy_net(ONE), toy_net(TWO)
    first = train(one, loaders(batch_size), ONE, momentum=0.9)
    second = train(two, loaders(batch_size), TWO, momentum=0.9)
    for name, value in parameters(one.net).items():
        assert np.abs(value - parameters(two.net)[name]).max() < 1e-5
    assert first[-1].train_acc == second[-1].train_acc
    assert first[-1].loss == pytest.approx(second[-1].loss, abs=1e-5)
    assert second[-1].devices == "[cpu(0), cpu(1)]"


@pytest.mark.parametrize("statistics_stay", [False, True])
@pytest.mark.parametrize(
    ("devices", "options"),
    [(ONE, {"momentum": 0.9}), (ONE, {"ema": 0.9, "accumulate": 2}), (TWO, {"ema": 0.9}), (TWO, {"accumulate": 2})],
)
def test_the_faster_graph_trains_to_the_same_parameters(
    bottleneck_net, photos, devices, options, statistics_stay, monkeypatch
):
    is_faster = []

    def final(training_network):
        monkeypatch.setattr(module, "training_network", training_network)
        net = bottleneck_net(devices)
        if statistics_stay:
            net.apply(keep_statistics)
        # With this seed no value comes so near to 0 or 6 that rounding, other on each CPU, decides if it is cut.
        loader = PhotoLoader(read_folder(photos).train, for_training(net.preprocess), 8, 2, shuffle=True, seed=2)
        soft = SoftLoader(loader, num_classes=2, smoothing=0.1, mixup=0.2)
        list(train_fine_tuning(net, soft, None, devices, lr=1e-3, num_epochs=3, **options))
        return parameters(net.net)

    def plain(net, devices):
        return normalized_first(net, lambda device: net.net, devices)

    def faster(net, devices):
        network = training_network(net, devices)
        is_faster.append(bool(faster_network(net, devices)))
        return network

    expected, found = final(plain), final(faster)
    assert is_faster == [True]
    for name, value in expected.items():
        assert np.abs(found[name] - value).max() <= 1e-4 * np.abs(value).max(), name


def test_running_statistics_are_the_same_on_every_device(toy_net, loaders):
    net = toy_net(TWO, batch_norm=True)
    train(net, loaders(), TWO, num_epochs=1)
    means = [value.asnumpy() for value in net.net.features[1].running_mean.list_data()]
    assert (means[0] == means[1]).all()
    assert (means[0] != 0).any()


def test_with_a_validation_part_the_test_set_is_used_once(toy_net, loaders, photos):
    train_iter, test_iter = loaders()
    val_iter = PhotoLoader(read_folder(photos).test, SMALL.for_test, 5, 2)
    results = list(train_fine_tuning(toy_net(ONE), train_iter, test_iter, ONE, val_iter, num_epochs=3))
    assert [result.test_acc is None for result in results] == [True, True, False]
    assert all(result.val_acc is not None for result in results)


@pytest.mark.parametrize("batch_size", [4, 100])
def test_divergence_stops_in_the_first_epoch_and_says_what_to_try(toy_net, loaders, batch_size):
    # With one batch an epoch, the loss is computed before the only step: what that step spoils shows elsewhere.
    results = train_fine_tuning(toy_net(ONE), *loaders(batch_size), ONE, lr=1e30, num_epochs=3)
    with pytest.raises(DivergedError) as caught:
        next(results)
    assert "--lr" in caught.value.hint
    assert "--output-lr-mult" in caught.value.hint


def test_broken_photos_do_not_stop_a_training(toy_net, loaders):
    train_iter, test_iter = loaders()
    for path in train_iter.split.paths[:3]:
        path.write_text("not a photo")
    results = train(toy_net(ONE), (train_iter, test_iter))
    assert len(results) == 3
    assert len(train_iter.broken) == 3


def test_the_learning_rate_follows_the_schedule(toy_net, loaders):
    results = train(toy_net(ONE), loaders(), schedule="cosine", lr=0.1)
    rates = [result.lr for result in results]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.02


def test_accuracy_counts_every_example(toy_net, loaders):
    net = toy_net(TWO)
    _, test_iter = loaders(batch_size=5)  # batches of 5 and 1 on two devices
    expected = [(net(nd.array(b.X, dtype="uint8")).asnumpy().argmax(1) == b.y).sum() for b in test_iter.epoch()]
    assert evaluate_accuracy(net, test_iter.epoch(), TWO) == sum(expected) / 6


def test_a_tally_weighs_examples_not_batches():
    tally = Tally()
    tally.add([nd.array([1, 1, 1])], [nd.array([[0, 1]] * 3)], [nd.array([1, 1, 1], dtype="int32")])
    tally.add([nd.array([5])], [nd.array([[0, 1]])], [nd.array([0], dtype="int32")])
    assert tally.loss == 2.0
    assert tally.accuracy == 0.75


def test_the_closing_lines_have_the_books_form(toy_net, loaders):
    result = train(toy_net(ONE), loaders(), num_epochs=1)[0]
    import re

    assert re.fullmatch(r"loss \d\.\d{3}, train acc \d\.\d{3}, test acc \d\.\d{3}", result.line())
    assert re.fullmatch(r"\d+\.\d examples/sec on \[cpu\(0\)\]", result.speed())


def test_balanced_weights_are_scikit_learns():
    labels = np.array([0] * 6 + [1] * 3 + [2], np.int32)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights(labels, 3) == pytest.approx(expected)


@pytest.mark.parametrize("devices", [ONE, TWO], ids=["one device", "two"])
def test_a_weighted_step_is_one_down_the_gradient_of_the_weighted_loss(toy_net, devices):
    eight = batch(8)
    weights = np.array([0.5, 3.0], np.float32)
    net, expected = toy_net(devices), toy_net(ONE)
    train_step(net, [eight], make_trainer(net, 0.1, 0, 0), devices, weights)
    trainer = make_trainer(expected, 0.1, 0, 0)
    with autograd.record():
        losses = gluon.loss.SoftmaxCrossEntropyLoss()(expected(nd.array(eight.X, dtype="uint8")), nd.array(eight.y))
        value = (losses * nd.array(weights[eight.y])).sum()
    value.backward()
    trainer.step(8)
    for name, values in parameters(expected).items():
        assert np.abs(parameters(net)[name] - values).max() < 1e-5


def test_the_loss_that_is_reported_is_not_weighted(toy_net):
    values = []
    for weights in (None, np.array([0.5, 3.0], np.float32)):
        net = toy_net(ONE)
        losses = train_step(net, [batch(8)], make_trainer(net, 0.1, 0, 0), ONE, weights)
        values.append(losses[0].asnumpy())
    assert (values[0] == values[1]).all()


def part(of: Batch, start: int, stop: int | None = None) -> Batch:
    targets = None if of.targets is None else of.targets[start:stop]
    return Batch(of.X[start:stop], of.y[start:stop], targets)


@pytest.mark.parametrize("devices", [ONE, THREE], ids=["one device", "three"])
@pytest.mark.parametrize("cuts", [(0, 4, 8, 12), (0, 5, 10, 11), (0, 12)], ids=str)
def test_accumulated_batches_step_like_one_large_batch(toy_net, devices, cuts):
    large, several = toy_net(ONE), toy_net(devices)
    whole, accumulating = make_trainer(large, 0.1, 0.001, 0.9), make_trainer(several, 0.1, 0.001, 0.9, adds=True)
    for seed in range(2):
        twelve = batch(cuts[-1], seed)
        train_step(large, [twelve], whole, ONE)
        train_step(several, [part(twelve, a, b) for a, b in zip(cuts, cuts[1:])], accumulating, devices)
    for name, values in parameters(large.net).items():
        assert np.abs(parameters(several.net)[name] - values).max() < 1e-5, name


def test_an_epoch_accumulates_what_is_left_over_too(toy_net, loaders):
    large, small = toy_net(ONE), toy_net(ONE)
    (first,) = train(large, loaders(batch_size=12), num_epochs=1, momentum=0.9)
    (second,) = train(small, loaders(batch_size=4), num_epochs=1, momentum=0.9, accumulate=3)  # 12 photos, then 4
    assert second.loss == pytest.approx(first.loss, abs=1e-5)
    for name, values in parameters(large.net).items():
        assert np.abs(parameters(small.net)[name] - values).max() < 1e-5, name


def test_targets_that_are_all_or_nothing_train_like_labels(toy_net):
    hard, soft = toy_net(ONE), toy_net(TWO)
    eight = batch(8)
    certain = Batch(eight.X, eight.y, np.eye(2, dtype=np.float32)[eight.y])
    weights = np.array([0.5, 3.0], np.float32)
    train_step(hard, [eight], make_trainer(hard, 0.1, 0, 0), ONE, weights)
    train_step(soft, [certain], make_trainer(soft, 0.1, 0, 0), TWO, weights)
    for name, values in parameters(hard.net).items():
        assert np.abs(parameters(soft.net)[name] - values).max() < 1e-6, name


def test_with_an_average_the_network_is_that_average_after_each_epoch(toy_net, loaders):
    plain, averaged = toy_net(ONE), toy_net(ONE)
    steps = [parameters(toy_net(ONE).net)]
    train_iter, test_iter = loaders(batch_size=16)  # one step an epoch
    for _ in train_fine_tuning(plain, train_iter, test_iter, ONE, num_epochs=3, lr=0.5):
        steps.append(parameters(plain.net))
    for epoch, _ in enumerate(
        train_fine_tuning(averaged, train_iter, test_iter, ONE, num_epochs=3, lr=0.5, ema=0.9), 1
    ):
        for name, found in parameters(averaged.net).items():
            expected = steps[0][name]
            for step_number in range(1, epoch + 1):
                decay = min(0.9, (1 + step_number) / (10 + step_number))
                expected = decay * expected + (1 - decay) * steps[step_number][name]
            assert np.abs(found - expected).max() < 1e-5, name
