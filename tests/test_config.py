from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hotdog_ft.config import TrainConfig, field_names, parse_devices
from hotdog_ft.errors import ConfigError


def test_defaults_are_the_books_recipe():
    # "Fine-Tuning", 13.2: train_fine_tuning(finetune_net, 0.01), batch_size=128, num_epochs=5, wd 0.001, lr_mult 10.
    config = TrainConfig.from_sources({}, environment={})
    assert (config.data, config.model, config.weights) == ("hotdog", "resnet18_v2", "imagenet")
    assert (config.lr, config.batch_size, config.epochs, config.wd, config.output_lr_mult) == (0.01, 128, 5, 0.001, 10)
    assert config.momentum == 0


def test_options_win_over_environment_over_file_over_defaults(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("lr: 0.2\nepochs: 2\nbatch_size: 2\nwd: 0.2\n")
    environment = {"HOTDOG_FT_EPOCHS": "3", "HOTDOG_FT_BATCH_SIZE": "3"}
    config = TrainConfig.from_sources(
        {"batch_size": "4"}, file, environment, defaults={"lr": 0.1, "wd": 0.1, "seed": 1}
    )
    assert (config.seed, config.wd, config.lr, config.epochs, config.batch_size) == (1, 0.2, 0.2, 3, 4)


def test_every_error_is_reported_at_once_with_its_place(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("epoch: 3\nwd: heavy\n")
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_sources({"lr": "-1"}, file, {"HOTDOG_FT_EPOCHS": "many"})
    message = caught.value.message
    assert f"{file}: unknown setting 'epoch' (did you mean 'epochs'?)" in message
    assert f"{file}: wd: should be a valid number" in message
    assert "HOTDOG_FT_EPOCHS: should be a valid integer" in message
    assert "--lr: should be greater than 0 (given: '-1')" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", "nan"),
        ("lr", "inf"),
        ("lr", 0),
        ("lr", True),
        ("momentum", 1),
        ("epochs", -1),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("val_split", 1),
        ("schedule", "linear"),
        ("seed", -1),
        ("workers", 0),
        ("devices", "tpu"),
        ("data", ["a"]),
        ("image_size", 8),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')}: "):
        TrainConfig.from_sources({name: value}, environment={})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- lr\n- wd\n", "not a list of settings"),
        ("just words", "not a list of settings"),
        ("lr: [0.1", r"not valid YAML \(line"),
        ("lr: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("\x00", "not valid YAML"),
        ("a: &a [*a]\n", "unknown setting"),
    ],
)
def test_a_file_that_holds_no_settings_is_named(tmp_path, text, reason):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        TrainConfig.from_sources({}, file, {})
    assert caught.value.message.startswith(str(file))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nosuch.yaml: No such file"):
        TrainConfig.from_sources({}, tmp_path / "nosuch.yaml", {})


def test_yaml_gives_the_same_configuration_back(tmp_path):
    config = TrainConfig.from_sources({"lr": 0.5, "image_size": 96, "freeze_features": True}, environment={})
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml())
    assert TrainConfig.from_sources({}, file, {}) == config


def test_yaml_can_leave_fields_out():
    assert "out" not in yaml.safe_load(TrainConfig(out="x").to_yaml(leave_out=("out",)))


@given(st.dictionaries(st.sampled_from(field_names()), st.text() | st.integers() | st.floats() | st.none(), max_size=6))
def test_any_values_give_a_configuration_or_a_config_error(values):
    try:
        TrainConfig.from_sources(values, environment={})
    except ConfigError as error:
        message = error.message
    else:
        message = "fine"
    assert message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", ("auto", [])),
        ("cpu", ("cpu", [0])),
        ("cpu:2", ("cpu", [0, 1])),
        ("gpu", ("gpu", [])),
        ("gpu:0", ("gpu", [0])),
        ("gpu:1,0", ("gpu", [1, 0])),
    ],
)
def test_devices_are_read(text, expected):
    assert parse_devices(text) == expected


@given(st.text(alphabet="acgptu:,0123456789 ", max_size=12))
def test_devices_are_distinct_or_an_error(text):
    try:
        _, numbers = parse_devices(text)
    except ConfigError:
        return
    assert len(set(numbers)) == len(numbers)
