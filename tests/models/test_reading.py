from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hotdog_ft.backend import mx, nd
from hotdog_ft.errors import WeightsError
from hotdog_ft.models import zoo
from hotdog_ft.models.finetune import source_model, target_net
from hotdog_ft.models.reading import read_file
from tests.conftest import parameters

NAME = "mobilenet0.25"


@pytest.fixture
def save(tmp_path):
    """A function that saves a network's parameters of random values, changed by `damage`. Returns the file."""

    def write(name=NAME, classes=1000, damage=lambda values: None, target=False):
        mx.random.seed(1)
        net = zoo.build(name, classes, 224) if target else zoo.build_source(name, 224, classes)
        net.initialize(mx.init.Xavier())
        net(nd.zeros((1, 3, 224, 224)))
        values = {key: p.data() for key, p in net._collect_params_with_prefix().items()}
        damage(values)
        nd.save(str(tmp_path / f"{name}.params"), values)
        return tmp_path / f"{name}.params"

    return write


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.pop("features.0.weight"), r"features\.0\.weight is missing"),
        (
            lambda p: p.update({"features.99.weight": p["features.0.weight"]}),
            r"features\.99\.weight is not in the network",
        ),
        (
            lambda p: p.update({"features.0.weight": nd.zeros((8, 4, 3, 3))}),
            r"features\.0\.weight has shape \(8, 4, 3, 3\), not \(8, 3, 3, 3\)",
        ),
        (lambda p: p.update({"output.bias": nd.zeros((7,))}), r"output\.bias has shape \(7,\), not \(1000,\)"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(save, damage, message):
    with pytest.raises(WeightsError, match=message):
        read_file(NAME, save(damage=damage))


def test_weights_of_another_network_are_refused_and_the_one_that_they_fit_is_named(save):
    with pytest.raises(WeightsError, match=r"doesn't fit resnet18_v2: .* and [0-9]+ more") as caught:
        read_file("resnet18_v2", save(NAME))
    assert caught.value.hint == "It fits mobilenet0.25: give --model mobilenet0.25."


def test_weights_of_no_known_network_say_so(save):
    def damage(values):
        values["features.0.weight"] = nd.zeros((8, 4, 3, 3))

    with pytest.raises(WeightsError) as caught:
        read_file(NAME, save(damage=damage))
    assert "fits no network" in caught.value.hint


def test_a_thousand_outputs_are_imagenets(save):
    weights = read_file(NAME, save())
    assert weights.units == 1000
    assert weights.classes[934] == "hotdog, hot dog, red hot"


def test_another_number_of_outputs_is_read_and_has_no_names(save):
    weights = read_file(NAME, save(classes=7))
    assert weights.units == 7
    assert weights.classes is None
    assert target_net(NAME, weights, ("a", "b"), [mx.cpu()], image_size=64)


def test_a_squeezenet_that_was_fine_tuned_here_can_be_started_from(save):
    weights = read_file("squeezenet1.1", save("squeezenet1.1", classes=3, target=True))
    assert weights.units == 3
    assert weights.parameters["output.0.weight"].shape == (3, 512, 1, 1)


def test_the_source_model_has_the_files_values(save):
    weights = read_file(NAME, save())
    model = source_model(NAME, weights, [mx.cpu()])
    assert all((value == weights.parameters[key].asnumpy()).all() for key, value in parameters(model.net).items())
    X = nd.array(np.zeros((1, 224, 224, 3)), dtype="uint8")
    assert model(X).shape == (1, 1000)
    assert model.classes == weights.classes


def test_a_source_without_class_names_counts_its_outputs(save):
    weights = dataclasses.replace(read_file(NAME, save(classes=3)))
    assert source_model(NAME, weights, [mx.cpu()]).classes == ("0", "1", "2")
