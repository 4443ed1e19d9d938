"""`hotdog-ft serve` as a process: how it begins, how it ends, and what keeps it from beginning."""

from __future__ import annotations

import http.client
import json
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import pytest

from tests.cli.processes import start, two_lines, wait_for

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


@contextmanager
def served(*arguments, **options) -> Iterator[tuple[subprocess.Popen, int]]:
    """A server on a free port, which is killed if it doesn't end in the block."""
    with start("serve", *arguments, "--port", 0, **options) as process:
        try:
            line = process.stdout.readline()
            assert " answers at http://" in line, process.stderr.read()
            yield process, int(line.split("http://")[1].split()[0].rsplit(":", 1)[1])
        finally:
            process.kill()


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_it_answers_as_predict_does_offers_test_photos_and_ends_well(trained, photos, run_cli):
    run = trained()
    photo = photos / "test" / "red" / "0.jpg"
    _, out, _ = run_cli("predict", "--run", run, "--json", photo)
    with served(run) as (process, port):
        status, answer = ask(port, "POST", "/predict", photo.read_bytes())
        _, model = ask(port, "GET", "/model")
        _, examples = ask(port, "GET", "/examples")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
    assert status == 200
    assert answer["predictions"][0]["probabilities"] == pytest.approx(json.loads(out)["probabilities"], abs=1e-6)
    assert (model["architecture"], model["classes"], model["image_size"]) == ("mobilenet0.25", ["green", "red"], 32)
    names = [example["name"] for example in examples]
    assert names == ["green/0.jpg", "red/0.jpg", "green/1.jpg", "red/1.jpg", "green/2.jpg", "red/2.jpg"]


def test_it_serves_the_latest_run_by_default_with_photos_of_ones_own(trained, tmp_path, photos):
    trained()
    offered = tmp_path / "offered"
    offered.mkdir()
    (photos / "test" / "red" / "0.jpg").rename(offered / "lunch.jpg")
    (offered / "broken.jpg").write_text("no photo")
    with served("--examples", offered) as (process, port):
        assert ask(port, "GET", "/examples")[1] == [{"name": "lunch.jpg", "url": "/examples/0"}]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    with served("--examples", "none") as (process, port):
        assert ask(port, "GET", "/examples")[1] == []


def test_a_model_without_its_run_or_photos_has_no_examples(trained, photos):
    run = trained()
    photos.rename(photos.with_name("elsewhere"))
    for model in (run, run / "model"):
        with served(model) as (_, port):
            assert ask(port, "GET", "/examples")[1] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_under_load_it_answers_what_it_has_accepted_and_ends_well(trained, photos, number):
    run = trained()
    bodies = [path.read_bytes() for path in sorted((photos / "test").rglob("*.jpg"))]
    stopped = threading.Event()
    met: Counter[str] = Counter()

    def client(port: int, seed: int) -> None:
        """Sends photos on one connection until that is closed."""
        order = random.Random(seed)
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            while True:
                try:
                    connection.request("POST", "/predict", order.choice(bodies))
                    response = connection.getresponse()
                except OSError:  # closed before anything was answered: it wasn't accepted
                    met["refused"] += 1
                    return
                answer = json.loads(response.read())  # whole, or this raises
                assert (response.status, len(answer["predictions"])) == (200, 1)
                met["after" if stopped.is_set() else "before"] += 1

    with served(run) as (process, port), ThreadPoolExecutor(16) as pool:
        clients = [pool.submit(client, port, seed) for seed in range(16)]
        wait_for(lambda: met["before"] > 100, process)
        stopped.set()
        process.send_signal(number)
        for each in clients:
            each.result()
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
    assert met["refused"] == 16
    assert met["after"] > 0


def large_png(side: int) -> bytes:
    """A transparent black square, which takes a second or so to read."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packed = zlib.compressobj()
    rows = b"".join(packed.compress(bytes(1 + 4 * side)) for _ in range(side)) + packed.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("busy", ["receiving", "reading"])
def test_asked_twice_it_ends_at_once(trained, busy, number):
    if busy == "receiving":
        body = bytes(1000)
        sent = body[:4]
        kind = "image/jpeg"
    else:  # 200 photos would take minutes
        line = b"\r\n--line"
        part = b'\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n' + large_png(5000)
        body = sent = (line + part) * 200 + line + b"--\r\n"
        kind = "multipart/form-data; boundary=line"
    options = ("--max-photos", 200, "--queue", 200, "--timeout", 600, "--max-bytes", len(body))
    with served(trained(), *options) as (process, port), socket.create_connection(("127.0.0.1", port)) as client:
        head = (
            f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.sendall(head.encode() + sent)
        time.sleep(0.5)
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)  # it does what it has accepted
        process.send_signal(number)
        assert process.wait(20) == 128 + number


def test_with_few_files_open_it_answers_as_many_connections_as_it_can(trained):
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (220, 220))

    with served(trained(), preexec_fn=few) as (_, port), ExitStack() as silent:
        for _ in range(18):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert ask(port, "GET", "/healthz")[0] == 200
        for _ in range(60):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 503


def test_two_servers_cannot_have_one_port(trained, run_cli):
    with served(trained()) as (_, port):
        status, _, err = run_cli("serve", "runs/none", "--port", port)
    assert status == 2
    assert two_lines(err)[0] == f"--host 127.0.0.1 --port {port}: Address already in use."


def test_the_key_can_come_from_the_environment(trained, monkeypatch):
    monkeypatch.setenv("HOTDOG_FT_API_KEY", "s3cret")
    with served(trained()) as (_, port):
        assert ask(port, "GET", "/model")[0] == 401
        assert ask(port, "GET", "/model", Authorization="Bearer s3cret")[0] == 200


def test_a_key_that_is_empty_opens_nothing(trained, run_cli, monkeypatch):
    monkeypatch.setenv("HOTDOG_FT_API_KEY", "")
    status, _, err = run_cli("serve", trained(), "--port", 0)
    assert status == 2
    assert two_lines(err)[0] == "HOTDOG_FT_API_KEY: is empty, which is no key."


def test_to_be_reached_from_elsewhere_without_a_key_is_warned_of(trained):
    warning = "Warning: Whoever reaches this machine can use the model: --host 0.0.0.0 without --api-key.\n"
    run = trained()
    for options, told in (((), warning), (("--api-key", "s3cret"), "")):
        with served(run, "--host", "0.0.0.0", *options) as (process, _):
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert process.stderr.read() == told


def test_a_port_that_is_taken_is_told(trained, run_cli):
    run = trained()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, err = run_cli("serve", run, "--port", port)
    assert status == 2
    assert two_lines(err)[0] == f"--host 127.0.0.1 --port {port}: Address already in use."


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "no.such.host.invalid"], "--host no.such.host.invalid --port 8000: "),
        (["--host", "192.0.2.1"], "--host 192.0.2.1 --port 8000: Cannot assign requested address."),
        (["--port", "0", "--examples", "nowhere"], "--examples: 'nowhere' is no folder."),
        (["--queue", "3"], "--queue: 3 photos are fewer than the 64 that one request may have."),
        (["--api-key", "käse"], "--api-key: should be printable ASCII"),
        (["--api-key", ""], "--api-key: should be printable ASCII"),
        (["--unknown-below", "2"], "--unknown-below: should be from 0 to 1 (given: 2)."),
        (["--port", "70000"], "Invalid value for '--port'"),
        (["--timeout", "0"], "Invalid value for '--timeout'"),
        (["--devices", "gpu:9", "--port", "0"], "--devices gpu:9"),
    ],
)
def test_wrong_options_are_told(trained, run_cli, options, told):
    status, out, err = run_cli("serve", trained(), *options)
    assert status in (1, 2)
    assert two_lines(err)[0].startswith(told)
    assert out == ""


def test_a_run_that_is_not_there_is_told(run_cli):
    status, _, err = run_cli("serve", "runs/none", "--port", 0)
    assert status == 1
    assert two_lines(err)[0].startswith("runs/none: ")


def test_a_missing_extra_is_told_before_anything_is_done(run_cli, monkeypatch):
    from hotdog_ft import serve

    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "python_multipart" else sys)
    status, _, err = run_cli("serve", "runs/none")
    assert status == 2
    assert two_lines(err) == (
        "serve needs python-multipart, not installed here.",
        "Run: pip install 'hotdog-ft[serve]'.",
    )
