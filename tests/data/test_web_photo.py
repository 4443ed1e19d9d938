from __future__ import annotations

import threading
import time

import pytest

from hotdog_ft.data import web_photo
from hotdog_ft.data.address import is_url
from hotdog_ft.data.web_photo import fetch_photo
from hotdog_ft.errors import ImageError
from tests.data.servers import refusing_url, serve

CONTENT = b"\xff\xd8 not really a photo" * 1000


def fetch(url: str):
    return fetch_photo(url, threading.Event())


@pytest.mark.parametrize("behaviour", ["good", "without_length", "redirects"])
def test_a_photo_comes_under_its_address(behaviour):
    with serve(CONTENT, behaviour) as server:
        assert fetch(server.url) == (server.url, CONTENT)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("not_found", "HTTP 404"),
        ("fails", "HTTP 500"),
        ("html", "a web page in place of a photo"),
        ("lfs_pointer", "a Git LFS pointer in place of a photo"),
        ("breaks_once", "broke"),
        ("breaks_always", "broke"),
        ("bad_length", ""),
        ("bad_redirect", ""),
        ("redirects_forever", "redirects without end"),
        ("redirects_to_a_file", "file:///etc/passwd"),
        ("endless", "more than 1 MiB"),
        ("drips", "not there after 1 s"),
        ("stalls", "not there after 1 s"),
    ],
)
def test_what_a_server_does_wrong_is_told(behaviour, reason, monkeypatch):
    monkeypatch.setattr(web_photo, "LONGEST", 1.0)
    monkeypatch.setattr(web_photo, "LARGEST", 1 << 20)
    with serve(CONTENT, behaviour) as server, pytest.raises(ImageError) as caught:
        fetch(server.url)
    assert caught.value.message.startswith(f"{server.url}: ")
    assert reason in caught.value.message


def test_a_length_beyond_the_bound_is_refused_before_the_rest_comes(monkeypatch):
    monkeypatch.setattr(web_photo, "LARGEST", 1000)
    with serve(CONTENT) as server, pytest.raises(ImageError, match="more than"):
        fetch(server.url)


def test_no_server_is_told():
    with pytest.raises(ImageError, match="refused"):
        fetch(refusing_url())


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a.jpg", "file:///etc/passwd", "HTTPX://127.0.0.1/"])
def test_other_schemes_are_refused(url):
    with pytest.raises(ImageError, match="neither http nor https"):
        fetch(url)


@pytest.mark.parametrize("url", ["http://", "http://[::1/a.jpg", "http://a b/", "https://127.0.0.1:99999/"])
def test_an_address_that_is_none_is_told(url):
    with pytest.raises(ImageError):
        fetch(url)


def test_a_password_is_not_told():
    with serve(CONTENT, "not_found") as server, pytest.raises(ImageError) as caught:
        fetch(server.url.replace("//", "//me:secret@"))
    assert "secret" not in caught.value.message


def test_who_wants_it_no_more_does_not_wait():
    unwanted = threading.Event()
    unwanted.set()
    with serve(CONTENT, "drips") as server, pytest.raises(ImageError):
        fetch_photo(server.url, unwanted)
    give_up = time.monotonic() + 60
    while any(thread.name == "download" for thread in threading.enumerate()):  # ends with its connection at the latest
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("http://a", True), ("HTTPS://a/b.jpg", True), ("a/b.jpg", False), ("c:/a.jpg", False), ("//a/b.jpg", False)],
)
def test_addresses_are_told_from_paths(text, expected):
    assert is_url(text) == expected
