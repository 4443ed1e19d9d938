"""Each measured process, with as little to do as it can have: a figure comes out."""

from __future__ import annotations

import pytest

from benchmarks.turns import Command, hotdog_ft, module, run

TINY = ("--batch-size", 2, "--seconds", 0, "--batches", 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("book", ("--model", "mobilenet0.25")),
        ("tool", ("--model", "mobilenet0.25")),
        ("tool", ("--model", "mobilenet0.25", "--synthetic")),
        ("gluon_loader", ("--cores", 1)),
        ("input_path", ("--cores", 1)),
        ("input_path", ()),
    ],
)
def test_a_speed_is_measured_on_photos(photos, tmp_path, name, arguments):
    turn = run(module(name, "--data", photos, *TINY, *arguments), tmp_path)
    assert turn["images_per_sec"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("--resident",)], ids=["folder", "resident"])
def test_a_models_speed_is_measured(photos, tmp_path, arguments):
    options = ("--model", "mobilenet0.25", "--image-size", 32, "--weights", "none", "--epochs", 0)
    run(hotdog_ft("train", "--data", photos, *options, "--out", "run"), tmp_path)
    turn = run(module("predict_folder", "--run", "run", "--data", photos, *TINY, *arguments), tmp_path)
    assert turn["images_per_sec"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch_training", "torch_prediction"])
def test_pytorch_is_measured_where_it_is_installed(photos, tmp_path, name):
    pytest.importorskip("torchvision")
    turn = run(module(name, "--model", "squeezenet1.1", "--data", photos, *TINY), tmp_path)
    assert turn["images_per_sec"] > 0
    assert set(turn["versions"]) == {"torch", "torchvision"}


def test_efficientnet_lite0_in_pytorch_is_the_published_network():
    torch = pytest.importorskip("torch")
    from benchmarks.torch_networks import EfficientNetLite0
    from hotdog_ft.backend import nd
    from hotdog_ft.models.finetune import source_model
    from hotdog_ft.models.table import find_network
    from hotdog_ft.models.weights import find_or_fetch, find_weights

    net = EfficientNetLite0().eval()
    _, path = find_or_fetch(find_network("efficientnet_lite0"))
    net.load_state_dict(torch.load(path))
    ours = source_model("efficientnet_lite0", find_weights("efficientnet_lite0", "imagenet"), [nd.zeros(1).context])
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        logits = net(x).numpy()
    assert logits == pytest.approx(ours.net(nd.array(x.numpy())).asnumpy(), abs=1e-3)


@pytest.mark.slow
def test_the_book_says_how_long_its_epochs_would_take(photos, tmp_path):
    options = ("--model", "mobilenet0.25", "--data", photos, *TINY)
    turn = run(module("book", *options, "--epochs", 5), tmp_path)
    assert turn["wall_seconds"] == pytest.approx(5 * 16 / turn["images_per_sec"])


@pytest.mark.parametrize("library", ["numpy", pytest.param("onednn", marks=pytest.mark.slow)])
def test_the_machines_peak_is_a_rate(tmp_path, library):
    assert run(module("matmul", library, "--seconds", 0.01), tmp_path)["flops"] > 0


def test_looking_through_a_folder_takes_its_time(photos, tmp_path):
    assert 0 < run(module("listing", photos), tmp_path)["wall_seconds"] < 60


@pytest.mark.slow
def test_mxnet_alone_says_nothing(tmp_path):
    turn = run(Command(("-m", "benchmarks.import_and_forward", "mobilenet0.25")), tmp_path)
    assert set(turn) == {"wall_seconds", "peak_bytes"}
