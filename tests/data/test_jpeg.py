from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hotdog_ft.data.jpeg import MOST_SCANS, read_header
from hotdog_ft.errors import ImageError


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


def test_a_marker_without_a_segment_hides_no_frame():
    """Taken for a segment, its length would lead past the frame that decoders see, to another one."""
    large = jpeg(progressive=True)
    hidden = large[:2] + b"\xff\xd0" + large[2:] + bytes(0xFFE2)  # 0xFFE0 would be the length
    small = b"\xff\xc0\0\x11\x08\0\x01\0\x01\x03" + bytes(9) + b"\xff\xda\0\x02\xff\xd9"
    data = hidden[: 4 + 0xFFE0] + small
    assert read_header(data)[:3] == (3, 40, 30)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (30, 40, 3)


@given(st.binary(max_size=8), st.sampled_from([b"", b"\xff", b"\xff\0", b"\xff\x01", b"\xff\xd7"]))
def test_whatever_stands_before_the_frame_it_is_the_decoders(content, start):
    plain = jpeg()
    data = plain[:2] + start + content + plain[2:]
    try:
        header = read_header(data)
    except ImageError:
        return
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is None or decoded.shape[:2] == (header.height, header.width)


def scans(data: bytes) -> list[bytes]:
    """A JPEG, cut where each of its scans begins."""
    first, *others = data.split(b"\xff\xda")
    return [first, *(b"\xff\xda" + other for other in others)]


@pytest.mark.parametrize("progressive", [False, True])
def test_scans_without_end_are_refused(progressive):
    before, *rest = scans(jpeg(progressive=True) if progressive else jpeg("L"))
    if not progressive:  # a grey JPEG that says it has three components, of which each scan brings one
        frame = before.index(b"\xff\xc0")
        one = before[frame + 10 : frame + 13]
        three = (
            b"\xff\xc0\0\x11"
            + before[frame + 4 : frame + 9]
            + b"\x03"
            + b"".join(bytes((number,)) + one[1:] for number in (1, 2, 3))
        )
        before = before[:frame] + three + before[frame + 13 :]
    rest[-1] = rest[-1][:-2]
    most = rest[:1] * (MOST_SCANS - len(rest)) + rest
    comment = b"\xff\xfe\0\x04\xff\xd9"  # no end: a comment's two bytes
    assert read_header(before + comment.join(most) + b"\xff\xd9").components == 3
    with pytest.raises(ImageError, match="more than 100 scans"):
        read_header(before + comment.join([rest[0], *most]) + b"\xff\xd9")


def test_what_follows_a_picture_is_none_of_its_scans():
    assert read_header(jpeg(progressive=True) + 200 * b"\xff\xda\0\x02" + b"\xff\xd9").components == 3


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
