from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from hotdog_ft.backend import mx, nd
from hotdog_ft.data.photo import PhotoBytes, read_photo
from hotdog_ft.errors import ConfigError, ImageError
from hotdog_ft.inference.predictor import Predictor


@pytest.fixture
def classifier(toy_net):
    return toy_net([mx.cpu()])


@pytest.fixture
def predictor(classifier):
    return Predictor(classifier, mx.cpu(), batch_size=3, workers=2)


@pytest.fixture
def paths(photos) -> list[Path]:
    return sorted(photos.rglob("*.jpg"))


def test_answers_come_before_all_paths_are_known(predictor, paths):
    pulled = []

    def endless():
        while True:
            pulled.append(paths[len(pulled) % len(paths)])
            yield pulled[-1]

    predictions = predictor.predict(endless())
    first = next(predictions)
    assert first.path == str(paths[0])
    assert len(pulled) < 20
    for _ in range(50):
        next(predictions)
    assert len(pulled) < 51 + 20
    predictions.close()


def test_answers_come_in_the_order_of_the_paths(predictor, paths):
    assert [prediction.path for prediction in predictor.predict(paths[::-1])] == [str(path) for path in paths[::-1]]


def test_there_are_no_answers_without_paths(predictor):
    assert list(predictor.predict([])) == []


def test_one_photo_has_one_answer_however_it_is_given(predictor, paths):
    (expected,) = predictor.predict([paths[0]])
    assert predictor.predict(paths[0]) == expected
    assert predictor.predict(str(paths[0])) == expected
    in_bytes = predictor.predict(PhotoBytes("dinner", paths[0].read_bytes()))
    in_memory = predictor.predict(read_photo(paths[0]))
    assert (in_bytes.path, in_memory.path) == ("dinner", "array")
    assert in_bytes.probabilities == in_memory.probabilities == expected.probabilities


def test_an_array_of_photos_is_many(predictor, paths):
    stack = np.stack([read_photo(paths[0]), read_photo(paths[0])[:, ::-1]])
    first, second = predictor.predict(stack)
    assert first == predictor.predict(stack[0])
    assert second == predictor.predict(stack[1])


def test_one_photo_that_cant_be_read_is_an_error(predictor, tmp_path):
    with pytest.raises(ImageError, match=r"nowhere\.jpg: No such file"):
        predictor.predict(tmp_path / "nowhere.jpg")


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8, 3), np.uint8)],
    ids=["float", "alpha", "empty"],
)
def test_an_array_that_isnt_a_photo_is_an_error_that_says_what_is(predictor, image):
    with pytest.raises(ImageError, match="isn't a photo"):
        predictor.predict(image)
    (prediction,) = predictor.predict([image])
    assert "isn't a photo" in prediction.error


def test_a_broken_photo_has_an_error_and_the_others_their_answers(predictor, paths, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("not a photo")
    expected = list(predictor.predict([paths[0], paths[1]]))
    first, second, third = predictor.predict([paths[0], broken, paths[1]])
    assert second.error.startswith(f"{broken}: ")
    assert second.label is second.probability is second.probabilities is None
    for found, alone in zip((first, third), expected):
        assert found.error is None
        assert found.probabilities == pytest.approx(alone.probabilities, abs=1e-6)


def test_a_batch_of_broken_photos_is_answered(predictor, tmp_path, paths):
    missing = [tmp_path / f"{i}.jpg" for i in range(4)]
    predictions = list(predictor.predict([*missing, paths[0]]))
    assert [prediction.error is None for prediction in predictions] == [False] * 4 + [True]


def test_an_error_of_the_paths_reaches_the_caller(predictor, paths):
    def failing():
        yield paths[0]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(predictor.predict(failing()))


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
@pytest.mark.parametrize("workers", [1, 4])
def test_batches_and_threads_do_not_change_the_answers(classifier, paths, batch_size, workers):
    X = np.stack([classifier.preprocess.for_test(read_photo(path)) for path in paths])
    expected = classifier(nd.array(X, dtype="uint8")).softmax(axis=1).asnumpy()
    found = list(Predictor(classifier, mx.cpu(), batch_size, workers).predict(paths))
    probabilities = [list(prediction.probabilities.values()) for prediction in found]
    assert np.abs(np.array(probabilities) - expected).max() < 1e-5


def test_the_label_is_the_most_probable_class(predictor, paths):
    for prediction in predictor.predict(paths):
        assert list(prediction.probabilities) == ["green", "red"]
        assert prediction.probability == max(prediction.probabilities.values())
        assert prediction.probabilities[prediction.label] == prediction.probability


@pytest.mark.parametrize("batch", [1, 5])
def test_probabilities_of_images_sum_to_one(predictor, batch):
    X = np.random.default_rng(0).integers(0, 256, (batch, 16, 16, 3), dtype=np.uint8)
    probabilities = predictor.predict_images(X)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (batch, 2)
    assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-6
    assert probabilities.min() >= 0


def test_probabilities_stay_numbers_for_extreme_outputs(predictor, classifier):
    classifier.net.output.weight.set_data(nd.array([[1e30] * 4, [-1e30] * 4]))
    X = np.full((1, 16, 16, 3), 255, dtype=np.uint8)
    assert np.isfinite(predictor.predict_images(X)).all()


def test_probabilities_are_at_the_models_temperature(classifier, predictor, paths):
    plain = [prediction.probabilities for prediction in predictor.predict(paths)]
    classifier.temperature = 2.5
    for before, after in zip(plain, predictor.predict(paths)):
        logits = np.log(list(before.values()))
        assert list(after.probabilities.values()) == pytest.approx(list(softmax(logits / 2.5)), abs=1e-6)


def test_with_the_mirror_image_logits_are_averaged(classifier, predictor):
    X = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    plain, mirrored = (classifier(nd.array(x, dtype="uint8")).asnumpy().copy() for x in (X, X[:, :, ::-1]))
    both = Predictor(classifier, mx.cpu(), mirror=True).predict_images(X)
    assert np.abs(both - softmax((plain + mirrored) / 2, axis=1)).max() < 1e-5


def test_unknown_is_the_answer_below_a_probability_and_no_other(classifier, predictor, paths):
    probabilities = sorted(prediction.probability for prediction in predictor.predict(paths))
    limit = probabilities[len(probabilities) // 2]
    for prediction in Predictor(classifier, mx.cpu(), unknown_below=limit).predict(paths):
        assert (prediction.label == "unknown") == (prediction.probability < limit)


def test_a_class_called_unknown_cannot_be_told_from_the_answer(classifier):
    classifier.classes = ("red", "unknown")
    with pytest.raises(ConfigError, match="--unknown-below: the model has a class 'unknown'"):
        Predictor(classifier, mx.cpu(), unknown_below=0.5)
    Predictor(classifier, mx.cpu())
