from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotdog_ft.backend import mx
from hotdog_ft.data.loader import split_batch
from hotdog_ft.errors import ConfigError, DeviceError
from hotdog_ft.training import devices
from hotdog_ft.training.devices import can_halve, find_devices


@given(st.integers(0, 500), st.integers(1, 9))
def test_a_batch_is_cut_without_gap_or_overlap_and_evenly(size, devices):
    parts = split_batch(size, devices)
    assert len(parts) == devices
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(size))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) - min(lengths) <= 1
    assert lengths == sorted(lengths, reverse=True)  # the idle ones, if any, come last


def test_two_contexts_on_the_cpu_stand_for_two_devices():
    assert find_devices("cpu") == [mx.cpu(0)]
    assert find_devices("cpu:2") == [mx.cpu(0), mx.cpu(1)]


def test_auto_takes_every_gpu(monkeypatch):
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 2)
    monkeypatch.setattr(devices, "_works", lambda gpu: True)
    assert find_devices("auto") == [mx.gpu(0), mx.gpu(1)]
    assert find_devices("gpu:1") == [mx.gpu(1)]
    with pytest.raises(DeviceError, match="there is no GPU 2"):
        find_devices("gpu:0,2")


def test_a_gpu_that_mxnet_sees_but_cannot_use_is_passed_over(monkeypatch, caplog):
    if mx.context.num_gpus():
        pytest.skip("there is a GPU here")
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 1)  # computing on it then really fails
    assert find_devices("auto") == [mx.cpu()]
    assert "gpu(0) can't be used" in caplog.text
    with pytest.raises(DeviceError, match=r"can't compute on gpu\(0\)"):
        find_devices("gpu:0")


def test_auto_takes_the_cpu_without_a_gpu(monkeypatch):
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 0)
    assert find_devices("auto") == [mx.cpu()]
    with pytest.raises(DeviceError, match="MXNet sees no GPU"):
        find_devices("gpu:0")


@pytest.mark.parametrize("text", ["tpu", "cpu:0", "gpu:", "gpu:0,0", "gpu:x", ""])
def test_what_names_no_devices_is_a_wrong_option(text):
    with pytest.raises(ConfigError, match="--devices"):
        find_devices(text)


@pytest.mark.parametrize(
    ("devices", "asked", "expected", "warnings"),
    [
        ([mx.gpu(0), mx.gpu(1)], True, True, 0),
        ([mx.gpu(0)], False, False, 0),
        ([mx.cpu(0)], True, False, 1),
        ([mx.cpu(0)], False, False, 0),
    ],
)
def test_half_precision_takes_gpus_and_the_wish(devices, asked, expected, warnings, caplog):
    assert can_halve(devices, asked) is expected
    assert len(caplog.records) == warnings
