from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from hotdog_ft import runs
from hotdog_ft.backend import mx, nd
from hotdog_ft.data.folder import read_folder
from hotdog_ft.models.finetune import target_net
from hotdog_ft.stats import wilson_interval
from tests.conftest import COLOURS, draw, make_classes


def save_model(folder: Path, classes, temperature=None) -> Path:
    """A run's folder with a model of random values in it, whose logits for photos of all kinds differ by about 1."""
    mx.random.seed(1)
    classifier = target_net("mobilenet0.25", None, classes, [mx.cpu()], image_size=32)
    X = nd.array(np.stack([draw(colour, 0, (32, 32)) for colour in COLOURS.values()]), dtype="uint8")
    weight = classifier.net.output.weight
    weight.set_data(weight.data() / float(classifier(X).asnumpy().std(axis=0).mean()))
    classifier.temperature = temperature
    runs.save_model(folder / "model", classifier, None, "")
    return folder


@pytest.fixture
def model(tmp_path) -> Path:
    return save_model(tmp_path / "run", ("blue", "green", "red"))


@pytest.fixture
def document(run_cli, model):
    """A function that evaluates and returns the JSON document."""

    def evaluate(*arguments, run=model) -> dict:
        status, out, err = run_cli("evaluate", "--run", run, "--json", *arguments)
        assert status == 0, err
        return json.loads(out)

    return evaluate


def test_a_runs_own_test_photos_give_the_accuracy_of_its_training(trained, run_cli):
    run = trained()
    found = json.loads(run_cli("evaluate", "--run", run, "--json")[1])
    metrics = json.loads((run / "metrics.jsonl").read_text())
    assert found["accuracy"] == pytest.approx(metrics["test_acc"])
    assert (found["split"], found["photos"], found["skipped"]) == ("test", 6, 0)


def test_latest_is_what_is_evaluated_and_text_is_for_people(trained, run_cli):
    trained()
    status, out, err = run_cli("evaluate")
    assert (status, err) == (0, "")
    right = round(float(out.splitlines()[1].split()[1].rstrip(",")) * 6)
    low, high = wilson_interval(right, 6)
    assert out.splitlines()[1].endswith(f"95 % interval {low:.3f} to {high:.3f} ({right} of 6)")
    for word in ("log loss", "calibration error", "temperature 1: none was fitted", "precision", "shows", "least sure"):
        assert word in out


@pytest.mark.parametrize(("part", "count"), [("train", 12), ("val", 4), ("test", 6)])
def test_a_part_of_the_runs_own_data_is_that_of_the_training(trained, run_cli, part, count):
    run = trained("--val-split", 0.25)
    status, out, err = run_cli("evaluate", "--run", run, "--split", part, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["photos"] == count


def test_a_run_without_validation_photos_says_so(trained, run_cli):
    status, _, err = run_cli("evaluate", "--run", trained(), "--split", "val")
    assert status == 1
    assert "trained without a validation part" in err


def test_a_plain_folders_test_part_is_the_one_that_training_left_out(run_cli, photos):
    plain = photos / "train"
    quick = "--model mobilenet0.25 --weights none --image-size 32 --epochs 1 --batch-size 4 --out run".split()
    assert run_cli("train", "--data", plain, *quick, "--seed", 3)[0] == 0
    out = run_cli("evaluate", "--run", "run", "--csv", "a.csv")[1]
    assert "4 photos" in out
    with open("a.csv", newline="") as file:
        assert {row["path"] for row in csv.DictReader(file)} == set(map(str, read_folder(plain, 3).test.paths))
    _, out, err = run_cli("evaluate", "--run", "run", "--data", plain)
    assert "all photos: 16 photos" in out
    assert err.startswith(f"Warning: {plain}: the model was trained on a part of these photos.")


def test_photos_that_have_changed_since_training_are_told(trained, run_cli, photos):
    run = trained()
    (photos / "train" / "red" / "0.jpg").unlink()
    status, _, err = run_cli("evaluate", "--run", run)
    assert status == 0
    assert "other photos than when the model was trained" in err


@pytest.mark.parametrize("zipped", [False, True])
def test_any_folder_or_archive_can_be_evaluated_on(document, photos, zipped):
    data = shutil.make_archive("photos", "zip", photos) if zipped else photos
    found = document("--data", data)
    assert found["photos"] == 6
    assert [score["support"] for score in found["classes"]] == [0, 3, 3]
    assert found["classes"][0]["recall"] is None
    assert np.array(found["confusion"]).sum() == 6


def test_names_are_matched_whatever_their_case_and_separators(document, photos):
    (photos / "test" / "red").rename(photos / "test" / "R-e_d")
    assert [score["support"] for score in document("--data", photos)["classes"]] == [0, 3, 3]


def test_a_class_unknown_to_the_model_is_an_error_that_names_it(run_cli, model, photos):
    make_classes(photos / "test", 1, classes=("blue",))
    (photos / "test" / "blue").rename(photos / "test" / "pizza")
    status, out, err = run_cli("evaluate", "--run", model, "--data", photos)
    assert (status, out) == (1, "")
    assert err.startswith(f"Error: {photos}/test: class folder 'pizza' is unknown to the model.")


def test_one_class_alone_can_be_evaluated(document, photos):
    shutil.rmtree(photos / "test" / "green")
    found = document("--data", photos)
    assert [score["auc"] for score in found["classes"]] == [None, None, None]
    assert found["photos"] == 3


def test_one_photo_can_be_evaluated(document, photos, tmp_path):
    (tmp_path / "one" / "red").mkdir(parents=True)
    shutil.copy(photos / "test" / "red" / "0.jpg", tmp_path / "one" / "red")
    found = document("--data", tmp_path / "one", "--out", "pictures")
    assert (found["photos"], found["split"]) == (1, "all")


def test_without_one_photo_that_can_be_read_it_fails(run_cli, model, photos):
    for path in (photos / "test").rglob("*.jpg"):
        path.write_bytes(b"no photo")
    status, out, err = run_cli("evaluate", "--run", model, "--data", photos, "--quiet")
    assert (status, out) == (1, "")
    assert "not one of its photos can be read" in err


def test_a_broken_photo_is_told_and_left_out(document, photos, run_cli, model):
    (photos / "test" / "red" / "0.jpg").write_bytes(b"no photo")
    found = document("--data", photos)
    assert (found["photos"], found["skipped"]) == (5, 1)
    assert "5 photos, 1 that can't be read left out" in run_cli("evaluate", "--run", model, "--data", photos)[1]


def test_csv_has_a_line_a_photo_with_the_numbers_of_predict(run_cli, model, photos):
    assert run_cli("evaluate", "--run", model, "--data", photos, "--csv", "deep/answers.csv")[0] == 0
    with open("deep/answers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "shows", "label", "right", "probability", "blue", "green", "red"]
    records = [
        json.loads(line) for line in run_cli("predict", photos / "test", "--run", model, "--json")[1].splitlines()
    ]
    assert [row["path"] for row in rows] == [record["path"] for record in records]
    for row, record in zip(rows, records):
        assert row["label"] == record["label"]
        assert int(row["right"]) == (row["label"] == row["shows"] == Path(row["path"]).parent.name)
        assert float(row["probability"]) == pytest.approx(record["probability"], abs=1e-6)


def test_out_gets_four_pictures(document, photos):
    document("--data", photos, "--out", "pictures")
    assert sorted(os.listdir("pictures")) == ["confusion.png", "mistakes.png", "reliability.png", "unsure.png"]
    for name in os.listdir("pictures"):
        assert min(cv2.imread(f"pictures/{name}").shape[:2]) > 100


def test_files_are_written_though_nobody_reads_the_output(model, photos):
    command = [sys.executable, "-m", "hotdog_ft", "evaluate", "--run", model, "--data", photos, "--csv", "a.csv"]
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=240, check=False)
    os.close(write)
    assert (process.returncode, process.stderr) == (0, b"")
    assert len(Path("a.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize("option", ["--out", "--csv"])
def test_a_place_that_cannot_be_is_told_before_the_work(run_cli, model, photos, option):
    Path("file").touch()
    place = {"--out": "file", "--csv": str(photos)}[option]
    status, out, err = run_cli("evaluate", "--run", model, "--data", photos, option, place)
    assert (status, out) == (2, "")
    assert err.startswith(f"Error: {option}: {place} is a ")


def test_the_temperature_is_told_with_both_calibrations(run_cli, photos, tmp_path):
    hot = save_model(tmp_path / "hot", ("green", "red"), temperature=4.0)
    found = json.loads(run_cli("evaluate", "--run", hot, "--data", photos, "--json")[1])
    assert found["temperature"] == 4.0
    assert found["calibration"]["plain"]["temperature"] == 1.0
    assert found["ece"] == found["calibration"]["scaled"]["ece"] != found["calibration"]["plain"]["ece"]
    assert (
        "temperature 4.000, fitted on photos apart from the test photos"
        in run_cli("evaluate", "--run", hot, "--data", photos)[1]
    )


def test_flip_gives_the_mean_of_both(document, photos):
    plain, flipped = (document("--data", photos, "--tta", tta) for tta in ("none", "flip"))
    assert (plain["tta"], flipped["tta"]) == ("none", "flip")
    assert plain["log_loss"] != flipped["log_loss"]


def test_of_many_classes_the_pairs_that_are_confused_are_told(run_cli, photos, tmp_path):
    many = save_model(tmp_path / "many", ("green", "red", *(f"class {i}" for i in range(20))))
    out = run_cli("evaluate", "--run", many, "--data", photos)[1]
    assert "confused most often" in out
    assert " taken for " in out


def test_a_model_without_its_run_asks_for_data(run_cli, model):
    status, _, err = run_cli("evaluate", "--run", model / "model")
    assert status == 1
    assert "Name some with --data" in err


def test_data_that_is_gone_is_named(trained, run_cli, photos):
    run = trained()
    shutil.rmtree(photos)
    status, _, err = run_cli("evaluate", "--run", run)
    assert status == 1
    assert err.startswith(f"Error: {photos}: the photos that {run} was trained on are not there.")


def test_a_model_whose_outputs_are_no_numbers_is_told(run_cli, photos, tmp_path):
    classifier = target_net("mobilenet0.25", None, ("green", "red"), [mx.cpu()], image_size=32)
    classifier.net.output.bias.set_data(nd.array([np.nan, 0]))
    runs.save_model(tmp_path / "nan" / "model", classifier, None, "")
    status, _, err = run_cli("evaluate", "--run", tmp_path / "nan", "--data", photos)
    assert status == 1
    assert err.startswith("Error: The model's outputs are no numbers.")
