"""`hotdog-ft init`: a file that can be trained with as it is, and a schema that says what may stand in it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from hotdog_ft.config import TrainConfig
from tests.conftest import REPOSITORY


@pytest.fixture
def schema(run_cli) -> dict:
    assert run_cli("init")[0] == 0
    return json.loads(Path("hotdog-ft.schema.json").read_text())


def test_what_was_given_is_set_and_all_else_is_a_comment(run_cli):
    status, out, err = run_cli("init", "mine.yaml", "--data", "demo", "--lr", 0.003, "--epochs", 5, "--amp")
    assert (status, out) == (0, "hotdog-ft train --config mine.yaml\n")
    assert err == "Written: mine.yaml, and mine.schema.json for editors.\n"
    text = Path("mine.yaml").read_text()
    assert yaml.safe_load(text) == {"data": "demo", "lr": 0.003, "epochs": 5, "amp": True}
    assert text.startswith("# yaml-language-server: $schema=mine.schema.json\n")
    assert max(map(len, text.splitlines())) <= 120


def test_every_setting_is_there_at_its_default(run_cli):
    assert run_cli("init")[0] == 0
    text = Path("hotdog-ft.yaml").read_text()
    settings = [line.removeprefix("# ") for line in text.split("\n\n") for line in line.splitlines()[-1:]]
    values = yaml.safe_load("\n".join(settings[1:]))
    assert values == {name: value for name, value in dataclasses.asdict(TrainConfig()).items() if name != "out"}


def test_the_file_can_be_trained_with(run_cli, quick):
    assert run_cli("init", *quick)[0] == 0
    status, out, err = run_cli("train", "--config", "hotdog-ft.yaml")
    assert status == 0, err
    assert "test acc" in out


def test_what_another_file_sets_is_set_too(run_cli):
    Path("other.yaml").write_text("momentum: 0.9\n")
    assert run_cli("init", "--config", "other.yaml", "--lr", 1)[0] == 0
    assert yaml.safe_load(Path("hotdog-ft.yaml").read_text()) == {"data": "hotdog", "momentum": 0.9, "lr": 1.0}


@pytest.mark.parametrize("name", ["hotdog-ft.yaml", "hotdog-ft.schema.json"])
def test_nothing_is_overwritten(run_cli, name):
    Path(name).write_text("mine")
    status, _, err = run_cli("init")
    assert status == 2
    assert err.startswith(f"Error: {name}: is there already.\nHint: ")
    assert [(path.name, path.read_text()) for path in Path().iterdir()] == [(name, "mine")]


@pytest.mark.parametrize("options", [["--lr", "fast"], ["--data", "nowhere"], ["--model", "resnet19"]])
def test_wrong_settings_write_nothing(run_cli, options):
    status, _, err = run_cli("init", *options)
    assert status == 2
    assert err.startswith("Error: ")
    assert not list(Path().iterdir())


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_takes_the_examples(schema, path):
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)


@pytest.mark.parametrize("settings", [{"batch_size": "auto"}, {"workers": None}, {"batch_size": 32}])
def test_the_schema_takes_what_train_takes(schema, settings):
    jsonschema.validate(settings, schema)


@pytest.mark.parametrize(
    "settings", [{"learning_rate": 0.1}, {"lr": -1}, {"epochs": 1.5}, {"schedule": "linear"}, {"batch_size": 0}]
)
def test_the_schema_refuses_what_train_refuses(schema, settings):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(settings, schema)


def test_the_schema_is_one_and_describes_each_setting(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == {field.name for field in dataclasses.fields(TrainConfig)}
    assert all(each["description"] for each in schema["properties"].values())
