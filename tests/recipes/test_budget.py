from __future__ import annotations

import dataclasses

import pytest

from hotdog_ft.config import TrainConfig
from hotdog_ft.errors import ConfigError
from hotdog_ft.models.table import find_network
from hotdog_ft.recipes import budget, rank
from hotdog_ft.recipes.budget import candidates, check_left_open, duration, plan, plan_within, probe_seconds
from hotdog_ft.recipes.rank import Speed

# Of a machine with two cores, as `models --rank` measures them.
MEASURED = [
    (find_network("squeezenet1.1"), Speed(68, 200)),  # ImageNet accuracy 0.57
    (find_network("efficientnet_lite0"), Speed(11, 90)),  # 0.75
    (find_network("efficientnet_lite2"), Speed(5, 40)),  # 0.77
]


def planned(seconds, train=2000, validation=0, test=800, measured=MEASURED):
    return plan(measured, train, validation, test, seconds)


@pytest.mark.parametrize(
    ("seconds", "network"),
    [(1, "squeezenet1.1"), (70, "squeezenet1.1"), (150, "efficientnet_lite0"), (300, "efficientnet_lite2")],
)
def test_the_best_network_that_fits_is_probed(seconds, network):
    chosen = planned(seconds)
    assert (chosen.settings["model"], chosen.settings["method"]) == (network, "probe")
    speed = next(speed for row, speed in MEASURED if row.name == network)
    assert chosen.seconds == probe_seconds(speed, 2800, 2000)


def test_with_time_for_it_all_layers_are_trained_and_judged_apart_from_the_test_photos():
    chosen = planned(3600)
    settings = chosen.settings
    assert (settings["model"], settings["method"], settings["keep"]) == ("efficientnet_lite2", "lp-ft", "best")
    assert settings["val_split"] == 0.2
    assert 3 <= settings["epochs"] <= 10
    assert chosen.seconds <= 0.75 * 3600
    one_more = chosen.seconds + (1600 / 5 + 400 / 40)
    assert settings["epochs"] == 10 or one_more > 0.75 * 3600


def test_there_is_an_end_to_the_epochs():
    assert planned(10**6).settings["epochs"] == budget.MOST_EPOCHS


def test_a_data_sets_own_validation_part_is_used():
    assert planned(10**6, validation=300).settings["val_split"] == 0


def test_what_is_planned_is_a_valid_configuration():
    for seconds in (1, 10**6):
        TrainConfig.from_sources(planned(seconds).settings, environment={})


def test_more_photos_take_a_smaller_network():
    assert planned(300, train=20_000).settings["model"] == "squeezenet1.1"


def test_the_network_that_is_named_is_taken():
    assert [network.name for network in candidates("resnet18_v2")] == ["resnet18_v2"]


def test_without_weights_the_way_to_some_is_told(monkeypatch):
    monkeypatch.setattr(budget, "locate", lambda network: None)
    with pytest.raises(ConfigError, match="no ImageNet weights") as caught:
        candidates(None)
    assert "weights fetch" in caught.value.hint


@pytest.mark.parametrize(("name", "value"), [("method", "finetune"), ("epochs", 4)])
def test_what_the_budget_chooses_must_be_left_open(name, value):
    chosen = planned(3600)
    config = TrainConfig.from_sources({name: value}, environment={}, defaults=chosen.settings)
    with pytest.raises(ConfigError, match=f"--{name}: --budget chooses it"):
        check_left_open(config, chosen)


def test_too_little_time_is_told_and_the_fastest_taken(photos, caplog):
    rank._write_cache({row.name: speed for row, speed in MEASURED})
    chosen = plan_within(0.5, TrainConfig(data=str(photos)), "squeezenet1.1")
    assert chosen.settings["model"] == "squeezenet1.1"
    assert "not enough for 16 photos" in caplog.text


def test_a_network_that_cannot_be_measured_is_passed_over(photos, monkeypatch):
    monkeypatch.setattr(budget, "rank", lambda networks, progress: [(networks[0], Speed(None, None, "no memory"))])
    with pytest.raises(ConfigError, match="no network could be measured"):
        plan_within(60, TrainConfig(data=str(photos)), "squeezenet1.1")


@pytest.mark.parametrize(("seconds", "text"), [(12.3, "12 s"), (89, "89 s"), (300, "5 min"), (4800, "1 h 20 min")])
def test_times_are_told_in_the_largest_unit_that_suits(seconds, text):
    assert duration(seconds) == text


def test_a_plan_is_told_in_a_line():
    chosen = dataclasses.replace(planned(10**6), seconds=4800)
    assert chosen.describe() == "efficientnet_lite2, a probe, then 10 epochs of all layers: about 1 h 20 min."
