"""What `predict` gives: to other programs, to a person at a terminal, sorted, and to one who stops reading."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CLASSES
from tests.cli.processes import at_terminal

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def records(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def rows(out: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(out, newline="")))


def test_jq_reads_json(predict, photos, broken):
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    out = predict(photos / "test", broken, "--json")[1]
    program = "select(.error | not) | [.path, .label, .probability, (.probabilities | add)] | @tsv"
    done = subprocess.run(["jq", "-r", program], input=out, capture_output=True, text=True, check=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == sorted(map(str, (photos / "test").rglob("*.jpg")))
    assert {line[1] for line in lines} <= set(CLASSES)
    assert [float(line[3]) for line in lines] == pytest.approx([1] * 6, abs=1e-6)


def test_another_process_reads_json(predict, photos):
    program = "import json, sys; print(sum(json.loads(line)['probability'] >= 0.5 for line in sys.stdin))"
    out = predict(photos / "test", "--json")[1]
    done = subprocess.run([sys.executable, "-c", program], input=out, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 6


def test_pandas_reads_json(predict, photos, broken):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_json(io.StringIO(predict(photos / "test", broken, "--json")[1]), lines=True)
    assert len(frame) == 7
    assert frame.probability.dtype == float
    answered = frame[frame.error.isna()]
    assert answered.label.isin(CLASSES).all()
    assert answered.probabilities.map(lambda each: sum(each.values())).tolist() == pytest.approx([1] * 6, abs=1e-6)


@pytest.mark.parametrize("options", [[], ["--top", "2"]])
def test_pandas_reads_csv(predict, photos, broken, options):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(io.StringIO(predict(photos / "test", broken, "--csv", *options)[1]))
    assert len(frame) == 7
    assert frame.probability.notna().sum() == 6
    assert frame.probability.dtype == float
    assert frame[frame.error.isna()].label.isin(CLASSES).all()


def test_another_process_reads_csv(predict, photos, broken):
    program = (
        "import csv, sys\n"
        "rows = list(csv.DictReader(sys.stdin))\n"
        "print(len(rows), sum(bool(row['error']) for row in rows), all(None not in row for row in rows))"
    )
    out = predict(photos / "test", broken, "--csv")[1]
    done = subprocess.run([sys.executable, "-c", program], input=out, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["7", "1", "True"]


def test_top_names_the_most_probable_first_in_json(predict, photos):
    for record in records(predict(photos, "--json", "--top", 2)[1]):
        assert list(record) == ["path", "label", "probability", "probabilities"]
        assert set(record["probabilities"]) == set(CLASSES)
        assert next(iter(record["probabilities"].items())) == (record["label"], record["probability"])
        assert list(record["probabilities"].values()) == sorted(record["probabilities"].values(), reverse=True)


def test_top_has_columns_by_rank_in_csv(predict, photo, broken):
    good, bad = rows(predict(photo, broken, "--csv", "--top", 2)[1])
    assert list(good) == ["path", "label", "probability", "label_2", "probability_2", "error"]
    assert {good["label"], good["label_2"]} == set(CLASSES)
    assert float(good["probability"]) + float(good["probability_2"]) == pytest.approx(1, abs=1e-6)
    assert (bad["label_2"], bad["error"] != "") == ("", True)


def test_top_puts_the_others_between_label_and_path_in_the_table(predict, photo):
    probability, label, other, other_label, path = predict(photo, "--top", 2)[1].split()
    assert {label, other_label} == set(CLASSES)
    assert float(probability[:-1]) + float(other[:-1]) == pytest.approx(100, abs=0.011)
    assert path == str(photo)


@pytest.mark.parametrize("form", ["--json", "--csv", None])
def test_top_one_is_the_label_alone(predict, photo, form):
    out = predict(photo, "--top", 1, *([form] if form else []))[1]
    if form == "--json":
        (record,) = records(out)
        assert record["probabilities"] == {record["label"]: record["probability"]}
    elif form == "--csv":
        assert list(rows(out)[0]) == ["path", "label", "probability", "error"]
    else:
        assert out == predict(photo)[1]


def test_more_than_all_classes_are_all(predict, photo):
    for form in ("--json", "--csv"):
        assert predict(photo, form, "--top", 9)[1] == predict(photo, form, "--top", 2)[1]


def test_what_is_unknown_has_its_most_probable_classes(predict, photo):
    (record,) = records(predict(photo, "--json", "--top", 2, "--unknown-below", 1)[1])
    assert record["label"] == "unknown"
    assert set(record["probabilities"]) == set(CLASSES)


@pytest.mark.parametrize("by", ["confidence", "doubt", "label", "path"])
def test_answers_are_sorted(predict, photos, broken, by):
    given = sorted((str(path) for path in photos.rglob("*.jpg")), key=lambda path: path[::-1])
    plain = {record["path"]: record for record in records(predict(*given, "--json")[1])}
    found = records(predict(broken, *given, "--json", "--sort", by)[1])
    assert found[-1]["path"] == str(broken)
    keys = {
        "confidence": lambda record: -record["probability"],
        "doubt": lambda record: record["probability"],
        "label": lambda record: (CLASSES.index(record["label"]), -record["probability"]),
        "path": lambda record: record["path"],
    }
    assert [record["path"] for record in found[:-1]] == [
        record["path"] for record in sorted((plain[path] for path in given), key=keys[by])
    ]


def test_every_form_is_sorted(predict, photos):
    expected = [record["path"] for record in records(predict(photos, "--json", "--sort", "doubt")[1])]
    assert [row["path"] for row in rows(predict(photos, "--csv", "--sort", "doubt")[1])] == expected
    assert [line.split()[-1] for line in predict(photos, "--sort", "doubt")[1].splitlines()] == expected


def test_at_a_terminal_answers_are_in_colour(run, photo, broken):
    shown, _ = at_terminal("predict", photo, broken, "--run", run)
    assert "\x1b[1m" in shown  # bold
    assert "\x1b[31m" in shown  # red
    lines = ESCAPES.sub("", shown).splitlines()
    assert any(line.endswith(str(photo)) for line in lines)
    assert any(line.startswith(f"Error: {broken}") for line in lines)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_at_a_terminal_without_colour_there_is_none(run, photo, environment):
    shown, _ = at_terminal("predict", photo, "--run", run, **environment)
    assert "\x1b" not in shown
    assert str(photo) in shown


def test_elsewhere_there_is_colour_only_when_forced(predict, photo, monkeypatch):
    assert "\x1b" not in predict(photo)[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1m" in predict(photo)[1]
    monkeypatch.setenv("FORCE_COLOR", "0")
    assert "\x1b" not in predict(photo)[1]


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_what_programs_read_is_never_coloured(predict, photo, monkeypatch, form):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in predict(photo, form)[1]


def test_a_progress_bar_is_on_the_terminal_and_not_in_the_output(run, photos):
    shown, piped = at_terminal("predict", photos, "--json", "--run", run, both=False)
    assert "/22" in shown
    assert len(records(piped)) == 22


def test_with_a_progress_bar_each_answer_has_its_own_line(run, photos):
    shown, _ = at_terminal("predict", photos, "--run", run, "--batch-size", 2)
    assert "/22" in shown
    visible = [ESCAPES.sub("", line).rsplit("\r", 1)[-1] for line in shown.split("\r\n")]
    assert [line.split()[-1] for line in visible if line.endswith(".jpg")] == sorted(map(str, photos.rglob("*.jpg")))


@pytest.mark.parametrize("options", [["--quiet"], []])
def test_no_bar_is_drawn_where_none_is_wanted(run, photo, photos, options):
    given = photos if options else photo  # one photo needs none
    shown, _ = at_terminal("predict", given, "--run", run, *options)
    assert "photos/s" not in shown


@pytest.mark.parametrize("options", [["--json"], ["--csv"], ["--json", "--sort", "path"], ["--top", "2"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(run, photos, options):
    Path("paths").write_text("".join(f"{path}\n" for path in photos.rglob("*.jpg")) * 100)
    quoted = " ".join([sys.executable, "-m hotdog_ft predict - --run", str(run), *options])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {quoted} < paths | head -n 1"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--json", "--csv"], "--json and --csv"),
        (["--top", "0"], "--top"),
        (["--top", "many"], "--top"),
        (["--sort", "size"], "--sort"),
        (["--sort"], "--sort"),
    ],
)
def test_options_that_make_no_sense_are_refused(predict, photo, options, named):
    status, out, err = predict(photo, *options)
    assert (status, out) == (2, "")
    assert err.startswith("Error: ")
    assert named in err.splitlines()[0]
