from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hotdog_ft.data.jpeg import read_header


def jpeg(mode: str = "RGB", **options) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (40, 30)).save(stream, "JPEG", **options)
    return stream.getvalue()


def with_exif(block: bytes) -> bytes:
    plain = jpeg()
    return plain[:2] + b"\xff\xe1" + (len(block) + 8).to_bytes(2, "big") + b"Exif\0\0" + block + plain[2:]


@pytest.mark.parametrize(("mode", "components"), [("L", 1), ("RGB", 3), ("CMYK", 4)])
@pytest.mark.parametrize("progressive", [False, True])
def test_size_and_components_are_read(mode, components, progressive):
    assert read_header(jpeg(mode, progressive=progressive)) == (components, 40, 30, 1)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_orientation_is_opencvs(orientation, order):
    block = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 2)
    block += struct.pack(order + "HHI4s", 0x010F, 2, 4, b"Cam\0")
    block += struct.pack(order + "HHIHHI", 0x0112, 3, 1, orientation, 0, 0)
    data = with_exif(block)
    header = read_header(data)
    upright = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    size = (30, 40) if header.orientation < 5 else (40, 30)
    assert upright.shape[:2] == size
    assert header.orientation == (orientation if 1 <= orientation <= 8 else 1)


@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_any_exif_block_gives_an_orientation(content, start):
    assert 1 <= read_header(with_exif(start + content)).orientation <= 8
