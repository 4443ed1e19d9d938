"""Read a request's photos: no more of it, no longer, and no more of all requests together than is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from hotdog_ft.data.photo import PhotoBytes
from hotdog_ft.serve.refusal import RETRY_AFTER, Refusal
from hotdog_ft.serve.settings import BODIES, Settings

RAW = "photo"
"""What a photo is called that is a request's whole body."""
MOST_FIELDS, LONGEST_FIELD = 16, 1 << 12
"""Of a form, beside its photos, and in bytes: none is looked at."""
LONGEST_HEADERS = 1 << 12
"""Of each part of a form, in bytes."""
CHARSETS = (b"utf-8", b"us-ascii")
"""What names in a form may be in. Python knows others that take seconds to decode, or raise whatever they like."""
FORM = b"multipart/form-data"


class Room:
    """Memory for bodies, of all requests together."""

    def __init__(self, size: int) -> None:
        self._left = size

    @contextmanager
    def held(self) -> Iterator[Share]:
        """Within, a request takes what it needs; after that, all of it is given back."""
        share = Share(self)
        try:
            yield share
        finally:
            self._left += share.size

    def take(self, size: int) -> None:
        """Raises: Refusal, when so much isn't left."""
        if size > self._left:
            raise Refusal(429, "The server holds as many photos as it can.", "Try again in a moment.", RETRY_AFTER)
        self._left -= size


class Share:
    """What one request holds of the room. size: in bytes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        """Raises: Refusal."""
        self._room.take(size)
        self.size += size


class Bodies:
    """Reads bodies, within the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.room = Room(BODIES * settings.max_bytes)

    async def photos_in(self, request: Request, share: Share) -> list[PhotoBytes]:
        """The photos of a form (multipart), or the one that the body is, with the room that they take.

        Raises: Refusal; starlette's ClientDisconnect.
        """
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise Refusal(415, f"Content-Encoding {encoding} isn't read.", "Send the photo as it is.")
        stream = self._counted(request, share)
        try:
            return await asyncio.wait_for(self._read(request, stream), self._settings.timeout)
        except asyncio.TimeoutError:
            hint = f"Send it within {self._settings.timeout:g} seconds; the server's --timeout sets that."
            raise Refusal(408, "The photo came too slowly.", hint, {"Connection": "close"}) from None

    async def _counted(self, request: Request, share: Share) -> AsyncGenerator[bytes, None]:
        """The body's parts, as long as it isn't too large."""
        announced = request.headers.get("content-length", "0")
        self._check(int(announced) if announced.isdigit() else 0)
        async for part in request.stream():
            self._check(share.size + len(part))
            share.grow(len(part))
            yield part

    def _check(self, size: int) -> None:
        limit = self._settings.max_bytes
        if size > limit:
            raise Refusal(
                413,
                f"The request has more than {limit / (1 << 20):.4g} MiB.",
                "Send fewer photos at once, or smaller ones; the server's --max-bytes sets that.",
            )

    async def _read(self, request: Request, stream: AsyncGenerator[bytes, None]) -> list[PhotoBytes]:
        kind, options = parse_options_header(request.headers.get("content-type"))
        if kind.lower() == FORM:  # older versions of python-multipart leave it as it is
            charset = options.get(b"charset", CHARSETS[0])
            if charset.lower() not in CHARSETS:
                raise Refusal(415, f"A form in {charset[:40].decode('latin-1')} isn't read.", "Send it in UTF-8.")
            return await self._photos_of_form(request, stream)
        data = b"".join([part async for part in stream])
        if not data:
            raise Refusal(422, "The request has no photo.", "Send a photo as the body, or as a form's field `photo`.")
        return [PhotoBytes(RAW, data)]

    async def _photos_of_form(self, request: Request, stream: AsyncGenerator[bytes, None]) -> list[PhotoBytes]:
        most = self._settings.max_photos
        parser = _InMemory(
            request.headers, stream, max_files=most + 1, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD
        )
        try:
            form = await parser.parse()
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            photos = [PhotoBytes(file.filename or RAW, await file.read()) for file in files]
        except FormParserError as error:  # as Starlette 0.49 hands it on
            raise Refusal(422, f"The form can't be read: {error}.", f"Send up to {most} photos.") from error
        except MultiPartException as error:
            status = 413 if error.message.startswith("Too many files") else 422
            raise Refusal(status, f"The form can't be read: {error.message}", f"Send up to {most} photos.") from error
        finally:
            parser.close()
        if not photos:
            raise Refusal(422, "The form has no photo.", "Send photos as files, as curl does by -F photo=@lunch.jpg.")
        if len(photos) > most:
            raise Refusal(413, f"{len(photos)} photos are more than {most}.", "Send them in several requests.")
        return photos


class _InMemory(MultiPartParser):
    """Writes nothing to the disk: what is in memory has been counted."""

    spool_max_size = 1 << 62

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._of_headers = 0

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        super().on_header_field(data, start, end)

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        super().on_header_value(data, start, end)

    def _count(self, size: int) -> None:
        """Older versions of python-multipart let a header be as long as a body, and add to it in quadratic time."""
        self._of_headers += size
        if self._of_headers > LONGEST_HEADERS:
            raise MultiPartException(f"Headers of more than {LONGEST_HEADERS} bytes.")

    def close(self) -> None:
        """Close what was read, and what a form that breaks off has left, which the form itself doesn't know."""
        for file in self._files_to_close_on_error:
            file.close()
