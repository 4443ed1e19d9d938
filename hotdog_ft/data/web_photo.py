"""A photo from the web: within bounds of size, time and redirects, and let go of at once when nobody wants it more."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait

from hotdog_ft.data.download import CONNECT_TIMEOUT, READ_TIMEOUT, impostor, reason, without_password
from hotdog_ft.data.photo import PhotoBytes
from hotdog_ft.errors import ImageError

LARGEST = 64 << 20
"""Bytes after which a server that goes on sending is given up."""

LONGEST = 60.0
"""Seconds after which a photo is given up, however it comes: a byte now and then is never silent."""

REDIRECTS = 5

_TICK = 0.1
_HINT = "Open the address in a browser; it may have moved."


def fetch_photo(url: str, unwanted: threading.Event) -> PhotoBytes:
    """The bytes at an address, by http or https. unwanted: set when the answer will not be used.

    Raises: ImageError.
    """
    name = without_password(url)
    if url.partition("://")[0].lower() not in ("http", "https"):
        raise ImageError(f"{name}: neither http nor https.", hint="Fetch it with another program, and give the file.")
    # A server can keep a read busy for as long as it likes, and a thread that reads can't be ended: so a thread of its
    # own does, which the program's end doesn't wait for.
    given_up = threading.Event()
    coming: Future[bytes] = Future()
    threading.Thread(target=_bring, args=(url, coming, given_up), daemon=True, name="download").start()
    end = time.monotonic() + LONGEST
    try:
        while time.monotonic() < end and not unwanted.is_set():
            wait([coming], _TICK)
            if coming.done():
                return PhotoBytes(url, coming.result())
        raise ImageError(f"{name}: not there after {LONGEST:g} s.", hint=_HINT)
    finally:
        given_up.set()


def _bring(url: str, coming: Future[bytes], given_up: threading.Event) -> None:
    """Have `coming` give the bytes, or raise ImageError."""
    import requests

    try:
        coming.set_result(_download(url, given_up))
    except (requests.RequestException, ValueError, OSError) as error:  # ValueError: of urllib3 and http
        failure = ImageError(f"{without_password(url)}: {reason(error)}.", hint=_HINT)
        failure.__cause__ = error
        coming.set_exception(failure)
    except BaseException as error:
        coming.set_exception(error)


def _download(url: str, given_up: threading.Event) -> bytes:
    """Raises: requests.RequestException, ValueError, OSError, ImageError."""
    import requests

    name = without_password(url)
    too_large = ImageError(f"{name}: more than {LARGEST >> 20} MiB.", hint="Fetch it yourself, and give the file.")
    # Compression on the way would make lengths mean something else. Some servers refuse who doesn't say what he is.
    headers = {"Accept": "image/*,*/*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "hotdog-ft"}
    with requests.Session() as session:
        session.max_redirects = REDIRECTS
        with session.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as answer:
            answer.raise_for_status()
            length = int(answer.headers.get("Content-Length", 0))
            if length > LARGEST:
                raise too_large
            data = bytearray()
            for block in answer.iter_content(1 << 14):
                data += block
                if len(data) > LARGEST:
                    raise too_large
                if given_up.is_set():
                    break
    if len(data) < length:
        raise requests.ConnectionError(f"the connection broke after {len(data)} of {length} bytes")
    if other := impostor(bytes(data[:1024])):
        raise ImageError(f"{name}: {other} in place of a photo.", hint="Give the address of the photo itself.")
    return bytes(data)
