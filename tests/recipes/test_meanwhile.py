"""What happens to the photos and to the clock while a network is trained."""

from __future__ import annotations

import itertools
import shutil
import time

import pytest

from hotdog_ft.config import TrainConfig
from hotdog_ft.data import cache
from hotdog_ft.errors import DataError, ImageError
from hotdog_ft.recipes.fine_tune import fine_tune
from tests.cli.conftest import source  # noqa: F401, a fixture
from tests.conftest import COLOURS, draw, save

HOURS = 10 * 3600
CACHES = ["none", "ram", "disk"]


@pytest.fixture(autouse=True)
def _photos_count_as_old(monkeypatch):
    """The caches keep what was just made, too."""
    monkeypatch.setattr(cache, "SETTLED_SECONDS", -2 * HOURS)


@pytest.fixture
def train(photos, tmp_path):
    """A function that trains two epochs, and calls `between` after each. Returns the run."""
    quick = {"model": "mobilenet0.25", "weights": "none", "image_size": 32, "batch_size": 4, "epochs": 2}

    def call(between=lambda epoch: None, out="run", resume=None, **options):
        config = TrainConfig(**{"data": str(photos), "out": str(tmp_path / out), **quick, **options})
        return fine_tune(config, on_epoch=lambda result: between(result.epoch), resume=resume)

    return call


def after_the_first(action):
    """For `between`: what to do after epoch 1 alone."""
    return lambda epoch: action() if epoch == 1 else None


def params(run) -> bytes:
    return (run.folder / "model" / "net.params").read_bytes()


def skipped(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("Skipped: ")]


@pytest.mark.parametrize("jump", [HOURS, -HOURS], ids=["ahead", "back"])
@pytest.mark.parametrize("kept", ["none", "disk"])
def test_a_clock_that_jumps_changes_nothing(train, monkeypatch, caplog, kept, jump):
    untouched = train(out="untouched")
    now, steps = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: now() + jump * (next(steps) // 5 % 2))
    run = train(cache=kept, checkpoint_every=1)
    assert params(run) == params(untouched)
    for result in run.results:
        assert 0 < result.seconds < HOURS
        assert result.examples_per_sec > 16 / HOURS
    assert not skipped(caplog)


@pytest.mark.parametrize("kept", CACHES)
def test_a_photo_that_vanishes_is_skipped_from_then_on(train, photos, caplog, kept):
    gone = photos / "train" / "red" / "3.jpg"
    run = train(after_the_first(gone.unlink), cache=kept, epochs=3)
    assert len(run.results) == 3
    assert skipped(caplog) == [f"Skipped: {gone}: No such file or directory."]
    assert run.skipped == 1


@pytest.mark.parametrize("kept", CACHES)
def test_a_photo_that_becomes_text_is_skipped_from_then_on(train, photos, caplog, kept):
    path = photos / "train" / "green" / "0.jpg"
    run = train(after_the_first(lambda: path.write_text("hot dog")), cache=kept)
    (told,) = skipped(caplog)
    assert told.startswith(f"Skipped: {path}: not an image")
    assert run.skipped == 1


@pytest.mark.parametrize("kept", ["ram", "disk"])
def test_of_a_photo_that_is_replaced_the_new_one_is_seen(train, photos, caplog, kept):
    path = photos / "train" / "red" / "5.jpg"
    before = path.read_bytes()

    def replace() -> None:
        save(path, draw(COLOURS["blue"], 77, size=(90, 33)))

    plain = train(after_the_first(replace), out="plain")
    path.write_bytes(before)
    cached = train(after_the_first(replace), cache=kept)
    path.write_bytes(before)
    assert params(cached) == params(plain)
    assert params(cached) != params(train(out="untouched"))
    assert not skipped(caplog)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_photo_that_vanishes_ends_a_strict_run(train, photos, caplog, part):
    gone = photos / part / "red" / "1.jpg"
    with pytest.raises(ImageError, match=r"red.1\.jpg: No such file"):
        train(after_the_first(gone.unlink), strict=True)
    assert not skipped(caplog)
    assert (photos.parent / "run" / "model" / "net.params").is_file()


def test_a_photo_that_vanishes_before_the_last_test_ends_a_strict_run(train, photos):
    gone = photos / "test" / "red" / "1.jpg"
    with pytest.raises(ImageError, match=r"red.1\.jpg: No such file"):
        train(lambda epoch: epoch == 2 and gone.unlink(), strict=True)


def test_a_test_photo_that_vanishes_does_not_count(train, photos, caplog):
    gone = photos / "test" / "red" / "1.jpg"
    run = train(after_the_first(gone.unlink))
    assert run.tested is not None
    assert run.tested[1] == 5
    assert run.skipped == 1
    assert all(str(gone) in line for line in skipped(caplog))


@pytest.mark.parametrize("part", ["train", "test", "."])
def test_photos_that_all_vanish_end_a_run_that_goes_on_when_they_are_back(train, photos, part):
    whole = train(out="whole")
    folder, away = photos / part, photos.parent / "away"
    with pytest.raises(DataError, match=r"not one of its photos can be read") as caught:
        train(after_the_first(lambda: shutil.move(folder.resolve(), away)))
    assert caught.value.hint
    shutil.move(away, folder.resolve())
    run = train(resume=whole.folder.parent / "run")
    assert params(run) == params(whole)
    assert [result.epoch for result in run.results] == [1, 2]


@pytest.mark.parametrize("method", ["probe", "lp-ft"])
def test_photos_that_vanish_after_the_probe(train, photos, source, caplog, method):  # noqa: F811
    gone = [photos / "train" / "red" / "3.jpg", photos / "test" / "green" / "0.jpg"]

    def remove(epoch: int) -> None:
        for path in gone:
            path.unlink(missing_ok=True)

    run = train(remove, weights=str(source), method=method)
    assert run.tested is not None
    assert run.tested[1] == (6 if method == "probe" else 5)  # a probe has seen them all by then
    assert {line.split(":")[1].strip() for line in skipped(caplog)} == set(map(str, gone if method != "probe" else ()))
