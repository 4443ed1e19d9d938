"""The API: what it answers, what it refuses, and what it holds out against."""

from __future__ import annotations

import base64
import signal
import socket
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import jsonschema
import numpy as np
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from hotdog_ft.backend import gluon, mx
from hotdog_ft.data.photo import PhotoBytes
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import OutOfMemoryError
from hotdog_ft.inference.explain import SHOWN
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.serve import batching
from hotdog_ft.serve.examples import Example
from tests.serve.conftest import BOUNDARY, FORM, form, jpeg

ADDRESSES = ("/model", "/examples", "/examples/0", "/metrics", "/predict")


def png(width: int, height: int) -> bytes:
    """One that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


@pytest.fixture
def held(monkeypatch):
    """A function that has a service compute nothing until the event that it returns is set."""

    def hold(service) -> threading.Event:
        let_go = threading.Event()
        judge = service.predictor.judge
        monkeypatch.setattr(service.predictor, "judge", lambda photos: (let_go.wait(60), judge(photos))[1])
        return let_go

    return hold


def wait_until(condition) -> None:
    for _ in range(1500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("in half a minute the condition didn't come")


# --- Answers ---------------------------------------------------------------------------------------------------------


def test_a_photo_is_answered_as_predict_answers_it(serving):
    service = serving()
    expected = service.predictor.predict(PhotoBytes("photo", jpeg()))
    response = service.predict(jpeg())
    assert response.status == 200
    (prediction,) = response.json["predictions"]
    assert prediction["label"] == expected.label
    assert prediction["probability"] == pytest.approx(expected.probability, abs=1e-6)
    assert prediction["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    assert (prediction["name"], prediction["error"], prediction["explanation"]) == ("photo", None, None)


def test_many_are_answered_in_their_order_and_a_broken_one_costs_itself_alone(serving):
    service = serving()
    photos = [jpeg("red", 1), b"no photo", jpeg("green", 2), jpeg("red", 3)[:300]]
    predictions = service.predict(*photos).json["predictions"]
    assert [prediction["name"] for prediction in predictions] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert [prediction["error"] for prediction in predictions] == [
        None,
        "1.jpg: not an image that can be read.",
        None,
        "3.jpg: the JPEG breaks off before its picture begins.",
    ]
    for i in (0, 2):
        expected = service.predictor.predict(PhotoBytes("", photos[i])).probabilities
        assert predictions[i]["probabilities"] == pytest.approx(expected, abs=1e-6)
    assert predictions[1]["label"] is predictions[1]["probabilities"] is None


@pytest.mark.parametrize(
    "kind", ["Multipart/Form-Data; boundary={}", "multipart/form-data; charset=UTF-8; boundary={}"]
)
def test_a_forms_kind_can_be_written_otherwise(serving, kind):
    answer = serving().ask("POST", "/predict", form(jpeg()), Content_Type=kind.format(BOUNDARY))
    assert [prediction["name"] for prediction in answer.json["predictions"]] == ["0.jpg"]


def test_the_most_probable_classes_come_first_and_top_of_them(serving):
    service = serving()
    (whole,) = service.predict(jpeg()).json["predictions"]
    assert list(whole["probabilities"].values()) == sorted(whole["probabilities"].values(), reverse=True)
    (one,) = service.predict(jpeg(), query="?top=1").json["predictions"]
    assert one["probabilities"] == {whole["label"]: whole["probability"]}
    assert service.predict(jpeg(), query="?top=99").json["predictions"] == [whole]


def test_unknown_is_answered_where_no_class_is_probable_enough(serving):
    service = serving(unknown_below=1.0)
    assert service.predict(jpeg()).json["predictions"][0]["label"] == "unknown"
    assert service.ask("GET", "/model").json["unknown_below"] == 1.0


def test_explained_is_what_predict_explains(serving):
    service = serving()
    expected = service.predictor.predict(PhotoBytes("", jpeg()), explain=True).explanation
    (prediction,) = service.predict(jpeg(), query="?explain=true").json["predictions"]
    kind, data = prediction["explanation"].split(",")
    assert kind == "data:image/jpeg;base64"
    found = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert found.shape == (SHOWN, SHOWN, 3)
    assert np.abs(found.astype(int) - expected).mean() < 5  # JPEG's loss


def test_a_model_that_cannot_be_explained_says_so(serving):
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Flatten(), gluon.nn.Dense(2, in_units=3 * 16 * 16))
    net.initialize()
    classifier = Classifier("flat", net, Preprocess(image_size=16), ("green", "red"))
    classifier.normalize.initialize()
    service = serving(net=classifier)
    assert service.ask("GET", "/model").json["explains"] is False
    assert service.predict(jpeg()).status == 200
    refused = service.predict(jpeg(), query="?explain=1")
    assert (refused.status, refused.json["error"]) == (422, "explain: this model can't be explained.")


def test_names_that_are_not_utf8_are_answered(serving, toy_net):
    net = toy_net([mx.cpu()])
    net.classes = ("gr\udcfcn", "red\n")
    service = serving(net=net)
    assert set(service.predict(jpeg()).json["predictions"][0]["probabilities"]) == {"gr\udcfcn", "red\n"}
    assert service.ask("GET", "/model").json["classes"] == ["gr\udcfcn", "red\n"]
    assert service.ask("GET", "/metrics").status == 200


def test_examples_are_named_and_given(serving):
    service = serving(examples=[Example("green/0.jpg", jpeg()), Example("red/0.jpg", jpeg("red"))])
    named = service.ask("GET", "/examples").json
    assert named == [{"name": "green/0.jpg", "url": "/examples/0"}, {"name": "red/0.jpg", "url": "/examples/1"}]
    assert service.ask("GET", named[1]["url"]).body == jpeg("red")
    assert service.ask("GET", "/examples/2").status == 404


# --- Many at once ----------------------------------------------------------------------------------------------------


def test_requests_that_come_together_are_computed_together_and_each_has_its_own_answer(serving, held, monkeypatch):
    service = serving(batch_size=8)
    read, are_read = service.predictor.read, []
    monkeypatch.setattr(service.predictor, "read", lambda *a, **k: (read(*a, **k), are_read.append(a))[0])
    let_go = held(service)
    photos = [jpeg("green" if i % 2 else "red", i) for i in range(17)]
    with ThreadPoolExecutor(17) as pool:
        queries = ["?explain=1" if i % 3 else "" for i in range(17)]
        answers = [pool.submit(service.predict, photo, query=query) for photo, query in zip(photos, queries)]
        wait_until(lambda: len(are_read) == 17)
        assert service.metric("hotdog_ft_waiting_photos") == 17
        let_go.set()
        found = [answer.result().json["predictions"][0] for answer in answers]
    for i, photo in enumerate(photos):
        expected = service.predictor.predict(PhotoBytes("", photo))
        assert found[i]["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
        assert (found[i]["explanation"] is not None) == bool(i % 3)
    assert service.metric("hotdog_ft_batch_photos_count") <= 4  # one to eight first, then eight and the rest
    assert service.metric("hotdog_ft_batch_photos_sum") == 17
    assert service.metric("hotdog_ft_waiting_photos") == 0


def test_more_than_the_queue_holds_are_told_to_come_again(serving, held):
    service = serving(max_photos=2, queue=2)
    let_go = held(service)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(service.predict, jpeg(), jpeg())
        wait_until(lambda: service.metric("hotdog_ft_waiting_photos") == 2)
        refused = service.predict(jpeg())
        let_go.set()
        assert first.result().status == 200
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert service.predict(jpeg()).status == 200


def test_bodies_take_no_more_memory_than_there_is_room_for(serving):
    service = serving(max_bytes=1000)
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(17)]
    try:
        for connection in slow:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n" + bytes(990)
            )
        wait_until(lambda: service.metric('hotdog_ft_requests_total{path="/predict",status="429"}') == 1)
    finally:
        for connection in slow:
            connection.close()
    wait_until(lambda: service.predict(b"x" * 900).status == 415)  # there is room again


def test_an_answer_that_takes_too_long_is_refused_and_the_next_one_comes(serving, held):
    service = serving(timeout=0.3)
    let_go = held(service)
    refused = service.predict(jpeg())
    assert (refused.status, refused.json["error"]) == (503, "No answer in 0.3 seconds.")
    assert refused.headers["Retry-After"] == "1"
    let_go.set()
    assert service.predict(jpeg()).status == 200


def test_a_body_that_comes_too_slowly_is_refused(serving):
    service = serving(timeout=0.3)
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (
            OutOfMemoryError("Out of memory with batches of 8 photos.", hint=""),
            503,
            "Out of memory with batches of 8 photos.",
        ),
        (RuntimeError("something"), 500, "Unexpected: the server failed."),
    ],
)
def test_a_failure_is_told_and_the_next_answer_comes(serving, monkeypatch, error, status, told):
    service = serving()
    with monkeypatch.context() as patch:
        patch.setattr(service.predictor, "predict_images", lambda X: (_ for _ in ()).throw(error))
        failed = service.predict(jpeg())
    assert (failed.status, failed.json["error"]) == (status, told)
    assert service.metric(f'hotdog_ft_requests_total{{path="/predict",status="{status}"}}') == 1
    assert service.predict(jpeg()).status == 200


def test_a_client_that_goes_away_costs_nobody_anything(serving, held):
    service = serving()
    let_go = held(service)
    for sent in (1000, len(jpeg())):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(jpeg())}\r\n\r\n"
            connection.sendall(head.encode() + jpeg()[:sent])
    let_go.set()
    assert service.predict(jpeg()).status == 200
    wait_until(lambda: service.metric("hotdog_ft_waiting_photos") == 0)


def test_told_to_stop_it_answers_all_that_wait_and_accepts_no_more(serving, held):
    service = serving(batch_size=2)
    let_go = held(service)
    with ThreadPoolExecutor(9) as pool:
        answers = [pool.submit(service.predict, jpeg()) for _ in range(9)]
        wait_until(lambda: service.metric("hotdog_ft_waiting_photos") == 9)
        service.server.handle_exit(signal.SIGTERM, None)
        wait_until(lambda: not can_connect(service.port))
        let_go.set()
        assert [answer.result().status for answer in answers] == [200] * 9


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_large_photos_are_read_one_at_a_time_and_others_beside_them(serving, monkeypatch):
    service = serving()
    monkeypatch.setattr(batching, "LARGE", 10_000)
    read, begun, let_go = service.predictor.read, [], threading.Event()

    def slowly(source, **options):
        begun.append(source.name)
        assert len(source.data) < len(large) or let_go.wait(60)
        return read(source, **options)

    monkeypatch.setattr(service.predictor, "read", slowly)
    large = jpeg(size=(200, 200))
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(service.predict, large, jpeg())
        wait_until(lambda: len(begun) == 2)
        second = pool.submit(service.predict, large, large)
        wait_until(lambda: service.metric("hotdog_ft_waiting_photos") == 4)
        time.sleep(0.2)
        assert begun == ["0.jpg", "1.jpg"]
        let_go.set()
        assert first.result().status == second.result().status == 200


# --- Refusals --------------------------------------------------------------------------------------------------------


def form_in(charset: str) -> dict[str, str]:
    return {"Content_Type": f"{FORM['Content_Type']}; charset={charset}"}


REFUSED = {
    "no photo": (b"", {}, 422, "has no photo"),
    "text": (b"hello" * 99, {}, 415, "not an image"),
    "a cut JPEG": (jpeg()[:500], {}, 422, "breaks off"),
    "a cut PNG": (png(9, 9)[:40], {}, 422, "breaks off"),
    "a PNG of lies": (png(9, 9), {}, 422, "not an image that can be read"),
    "too many pixels": (png(20_000, 20_000), {}, 413, "20000 x 20000 pixels are more than the 100 million"),
    "too many bytes": (bytes(200_001), {}, 413, "more than 0.1907 MiB"),
    "chunks without end": (iter([bytes(50_000)] * 5), {}, 413, "more than 0.1907 MiB"),
    "too many photos": (form(*[jpeg()] * 4), FORM, 413, "4 photos are more than 3"),
    "far too many photos": (form(*[b""] * 400), FORM, 413, "Too many files"),
    "a form of no photos": (form(), FORM, 422, "The form has no photo"),
    "a form of text": (form(b"x").replace(b'; filename="0.jpg"', b""), FORM, 422, "The form has no photo"),
    "a form of much text": (form(bytes(99_999)).replace(b'; filename="0.jpg"', b""), FORM, 422, "maximum size"),
    "a form that breaks off": (form(jpeg())[:200], FORM, 422, "photo"),
    "a form without a boundary": (form(jpeg()), {"Content_Type": "multipart/form-data"}, 422, "Missing boundary"),
    "a form in a slow code": (form(jpeg()), form_in("punycode"), 415, "A form in punycode isn't read."),
    "a form in no code": (form(jpeg()), form_in("undefined"), 415, "A form in undefined isn't read."),
    "a form of long headers": (
        form(jpeg()).replace(b"\r\n\r\n", b"\r\nX: " + bytes(99_999) + b"\r\n\r\n"),
        FORM,
        422,
        "The form can't be read",
    ),
    "a form of many headers": (
        form(jpeg()).replace(b"\r\n\r\n", b"\r\nX: y" * 9999 + b"\r\n\r\n"),
        FORM,
        422,
        "The form can't be read",
    ),
    "no form": (jpeg(), FORM, 422, "The form can't be read"),
    "packed": (zlib.compress(jpeg()), {"Content_Encoding": "gzip"}, 415, "Content-Encoding gzip"),
}


@pytest.mark.parametrize(("body", "headers", "status", "told"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_photo_or_too_much_is_refused(serving, body, headers, status, told):
    service = serving(max_bytes=200_000, max_photos=3)
    refused = service.ask("POST", "/predict", body, **headers)
    assert refused.status == status, refused.json
    assert told in refused.json["error"]
    assert refused.json["hint"]
    assert service.predict(jpeg()).status == 200


@pytest.mark.parametrize(
    "query", ["?top=0", "?top=many", "?top=-1", "?top=²", f"?top={'9' * 5000}", "?top=", "?explain=perhaps"]
)
def test_wrong_parameters_are_refused(serving, query):
    refused = serving().predict(jpeg(), query=query.replace("²", "%C2%B2"))
    assert refused.status == 422
    assert refused.json["error"].startswith(query[1:].split("=")[0] + ": should be")


def test_what_is_not_there_is_refused(serving):
    service = serving(examples=[Example("0.jpg", jpeg())])
    for path in ("/nowhere", "/../page.js", "/page/index.html", "/examples/0/0", "/%2e%2e/app.py", "//model"):
        missing = service.ask("GET", path)
        assert (missing.status, missing.json["error"]) == (404, "Not Found."), path
    for number in ("1", "-1", "first", "%C2%B2", "9" * 5000):
        missing = service.ask("GET", f"/examples/{number}")
        assert missing.status == 404
        assert missing.json["error"].startswith("There is no example ")
    wrong = service.ask("GET", "/predict")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")


def test_a_client_that_asks_first_is_told_before_it_sends(serving):
    service = serving(max_bytes=1000)
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a" * 99_999])
def test_what_is_no_http_is_refused(serving, nonsense):
    service = serving()
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(nonsense + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert service.predict(jpeg()).status == 200


# --- Who may ask -----------------------------------------------------------------------------------------------------


def test_without_the_key_nothing_of_the_model_is_told(serving):
    service = serving(examples=[Example("0.jpg", jpeg())], api_key="s3cret")
    for path in ADDRESSES:
        method = "POST" if path == "/predict" else "GET"
        for headers in (
            {},
            {"Authorization": "Bearer s3cre"},
            {"Authorization": "s3cret"},
            {"Authorization": "Bearer \xfc"},
        ):
            refused = service.ask(method, path, jpeg(), **headers)
            assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer"), path
        assert service.ask(method, path, jpeg(), Authorization="Bearer s3cret").status == 200
    for path in ("/", "/style.css", "/page.js", "/healthz", "/openapi.json"):
        assert service.ask("GET", path).status == 200


def test_a_foreign_name_that_leads_here_is_refused(serving):
    service = serving()
    for path in ("/", "/model"):
        assert service.ask("GET", path, Host=f"evil.example:{service.port}").status == 403
    for name in (f"127.0.0.1:{service.port}", "localhost", "LOCALHOST:1", "[::1]", "[::1]:80"):
        assert service.ask("GET", "/model", Host=name).status == 200
    guarded = serving(api_key="s3cret")
    assert guarded.ask("GET", "/model", Host="photos.example", Authorization="Bearer s3cret").status == 200


def test_every_answer_tells_browsers_to_load_nothing_from_elsewhere(serving):
    service = serving()
    for response in (service.ask("GET", "/"), service.ask("GET", "/nowhere"), service.predict(jpeg())):
        assert response.headers["Content-Security-Policy"].startswith("default-src 'self'; img-src 'self' blob: data:;")
        assert response.headers["X-Content-Type-Options"] == "nosniff"


# --- What is said of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"api_key": "s3cret"}])
def test_the_description_is_valid(serving, settings):
    OpenAPIV31SpecValidator(serving(**settings).ask("GET", "/openapi.json").json).validate()


def test_answers_are_as_described(serving):
    service = serving(examples=[Example("0.jpg", jpeg())], max_photos=2)
    described = service.ask("GET", "/openapi.json").json

    def check(response, method: str, path: str) -> None:
        schema = described["paths"][path][method]["responses"][str(response.status)]["content"]["application/json"][
            "schema"
        ]
        jsonschema.validate(response.json, {**schema, "components": described["components"]})

    check(service.predict(jpeg(), b"no photo", query="?explain=1"), "post", "/predict")
    for refused in (service.predict(b""), service.predict(b"x"), service.predict(jpeg(), jpeg(), jpeg())):
        check(refused, "post", "/predict")
    check(service.ask("GET", "/model"), "get", "/model")
    check(service.ask("GET", "/model", Host="evil.example"), "get", "/model")
    check(service.ask("GET", "/examples"), "get", "/examples")


def test_what_was_answered_is_counted(serving):
    service = serving()
    label = service.predict(jpeg()).json["predictions"][0]["label"]
    service.predict(b"no photo")
    service.ask("GET", "/a-name-of-the-clients-own")
    assert service.metric(f'hotdog_ft_answers_total{{label="{label}"}}') == 1
    assert service.metric("hotdog_ft_unreadable_photos_total") == 1
    assert service.metric('hotdog_ft_requests_total{path="/predict",status="415"}') == 1
    assert service.metric('hotdog_ft_requests_total{path="other",status="404"}') == 1
    assert service.metric('hotdog_ft_request_seconds_count{path="/predict"}') == 2
