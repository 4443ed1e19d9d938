from __future__ import annotations

import json

import pytest

from hotdog_ft.models.table import find_network
from hotdog_ft.recipes import rank as module
from hotdog_ft.recipes.rank import Speed, measure, rank

SMALL = find_network("mobilenet0.25")
OTHER = find_network("squeezenet1.1")


@pytest.fixture
def measured(monkeypatch):
    """Networks whose turn came, in order; none of them is really measured."""
    names = []

    def pretend(name):
        names.append(name)
        return Speed(training=10.0, prediction=20.0) if name != "squeezenet1.1" else Speed(None, None, "out of memory")

    monkeypatch.setattr(module, "_measure_apart", pretend)
    return names


def test_a_network_is_measured_in_training_and_in_prediction(monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0)
    speed = measure("mobilenet0.25")
    assert speed.failure is None
    assert speed.training > 0
    assert speed.prediction > 0


def test_each_is_measured_once_and_remembered(measured):
    assert list(rank([SMALL])) == [(SMALL, Speed(10.0, 20.0))]
    assert list(rank([SMALL])) == [(SMALL, Speed(10.0, 20.0))]
    assert measured == ["mobilenet0.25"]


def test_again_measures_anew_and_leaves_the_others(measured):
    list(rank([SMALL, find_network("resnet18_v2")]))
    list(rank([SMALL], again=True))
    list(rank([SMALL, find_network("resnet18_v2")]))
    assert measured == ["mobilenet0.25", "resnet18_v2", "mobilenet0.25"]


def test_a_failure_is_told_and_tried_again_next_time(measured):
    for _ in range(2):
        assert list(rank([OTHER])) == [(OTHER, Speed(None, None, "out of memory"))]
    assert measured == ["squeezenet1.1"] * 2


def test_what_was_measured_before_an_interruption_is_kept(measured):
    results = rank([SMALL, find_network("resnet18_v2")])
    next(results)
    results.close()
    list(rank([SMALL]))
    assert measured == ["mobilenet0.25"]


def test_a_spoilt_cache_is_measured_again(measured):
    list(rank([SMALL]))
    for content in ("no json", json.dumps({"mobilenet0.25": {"other": 1}}), "[]"):
        module._cache_file().write_text(content)
        assert list(rank([SMALL])) == [(SMALL, Speed(10.0, 20.0))]
    assert len(measured) == 4


def test_a_process_of_its_own_measures_and_its_failure_is_told():
    assert module._measure_apart("mobilenet0.25").training > 0
    assert "there is no network of this name" in module._measure_apart("nosuch").failure


def test_the_bar_counts_what_is_measured_alone(measured):
    totals = []

    class Bar:
        def __init__(self, total, desc, unit):
            totals.append(total)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def set_postfix_str(self, text):
            pass

        def update(self, count):
            totals.append(count)

    list(rank([SMALL], Bar))
    list(rank([SMALL, find_network("resnet18_v2")], Bar))
    assert totals == [1, 1, 1, 1]
