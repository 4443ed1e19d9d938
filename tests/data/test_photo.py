from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hotdog_ft.data.photo import decode_photo, read_photo
from hotdog_ft.errors import ImageError
from tests.conftest import draw, save

# Left half orange, right half teal: colour order, mirroring and rotation all show.
HALVES = np.zeros((30, 40, 3), np.uint8)
HALVES[:, :20] = (230, 120, 20)
HALVES[:, 20:] = (10, 130, 140)


def encode(image: Image.Image, format: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def assert_halves(image: np.ndarray, tolerance: int = 6):
    assert image.dtype == np.uint8
    assert image.shape == HALVES.shape
    difference = np.abs(image.astype(int) - HALVES)[:, np.r_[0:18, 22:40]]  # away from the edge, which JPEG blurs
    assert difference.max() <= tolerance


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format_gives_the_same_picture(format):
    options = {"quality": 95} if format in ("JPEG", "WEBP") else {}
    assert_halves(decode_photo(encode(Image.fromarray(HALVES), format, **options)), tolerance=12)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_rotated_photo_comes_out_upright(format):
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees clockwise to show"
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(HALVES)))
    data = encode(turned, format, exif=exif, **({"quality": 95} if format in ("JPEG", "WEBP") else {}))
    assert_halves(decode_photo(data), tolerance=12)


@pytest.mark.parametrize("format", ["PNG", "GIF", "TIFF", "BMP"])
def test_a_palette_gives_its_colours(format):
    assert_halves(decode_photo(encode(Image.fromarray(HALVES).quantize(16), format)))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_grey_comes_out_as_three_equal_channels(format):
    grey = np.tile(np.linspace(0, 255, 40, dtype=np.uint8), (30, 1))
    image = decode_photo(encode(Image.fromarray(grey), format))
    assert image.shape == (30, 40, 3)
    assert np.ptp(image, axis=2).max() <= 4
    assert np.abs(image[:, :, 0].astype(int) - grey).max() <= 6


def test_what_is_transparent_is_white():
    rgba = np.dstack([HALVES, np.zeros((30, 40), np.uint8)])
    rgba[:, 20:, 3] = 255
    image = decode_photo(encode(Image.fromarray(rgba), "PNG"))
    assert (image[:, :20] == 255).all()
    assert (image[:, 20:] == HALVES[:, 20:]).all()


def test_a_transparent_palette_colour_is_white():
    palette = Image.fromarray(HALVES).quantize(4)
    index = palette.getpixel((0, 0))
    image = decode_photo(encode(palette, "GIF", transparency=index))
    assert (image[5, 5] == 255).all()


def test_cmyk_gives_the_colours_that_pillow_gives():
    data = encode(Image.fromarray(HALVES).convert("CMYK"), "JPEG", quality=95)
    assert_halves(decode_photo(data), tolerance=14)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_upper_half(format):
    grey = np.tile(np.linspace(0, 65535, 40).astype(np.uint16), (30, 1))
    image = decode_photo(encode(Image.fromarray(grey), format))
    assert np.abs(image[:, :, 1].astype(int) - grey // 257).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bit_colour_keeps_its_upper_half(tmp_path, suffix):
    path = save(tmp_path / f"deep{suffix}", HALVES.astype(np.uint16) * 257)
    assert_halves(read_photo(path))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_a_photo_that_breaks_off_is_named(tmp_path, suffix, part):
    path = save(tmp_path / f"photo{suffix}", draw((200, 100, 50), 1, (200, 200)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ImageError, match="breaks off") as caught:
        read_photo(path)
    assert caught.value.message.startswith(str(path))


def test_a_thumbnails_end_does_not_pass_for_the_photos(tmp_path):
    photo = encode(Image.fromarray(draw((200, 100, 50), 1, (200, 200))), "JPEG")
    thumbnail = encode(Image.fromarray(HALVES), "JPEG")
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = photo[:2] + segment + photo[2:]
    assert decode_photo(whole).shape == (200, 200, 3)
    with pytest.raises(ImageError, match="breaks off"):
        decode_photo(whole[:-500])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hot dogs, ten of them", "not an image"),
        (b"\xff\xd8", "breaks off"),
        (b"GIF89a", "not an image"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, reason):
    path = tmp_path / "text.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        read_photo(path)
    assert caught.value.message.startswith(str(path))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "nosuch.jpg", tmp_path):
        with pytest.raises(ImageError) as caught:
            read_photo(path)
        assert caught.value.message.startswith(str(path))


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"])
)
def test_any_bytes_give_a_picture_or_an_image_error(content, magic):
    try:
        image = decode_photo(magic + content)
    except ImageError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


@given(st.data())
def test_a_damaged_jpeg_gives_a_picture_or_an_image_error(data):
    _, encoded = cv2.imencode(".jpg", HALVES)
    damaged = bytearray(encoded.tobytes())
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(2, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode_photo(bytes(damaged))
    except ImageError:
        return
    assert image.shape[2] == 3
