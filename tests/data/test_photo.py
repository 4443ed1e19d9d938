from __future__ import annotations

import io
import os
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from hotdog_ft.data.photo import Photo, count_pixels, decode_photo, open_photo, read_photo
from hotdog_ft.errors import ImageError, LargeImageError, NotAnImageError
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


@pytest.mark.parametrize("format", ["PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_what_breaks_off_is_refused_though_another_package_lets_pillow_take_it(monkeypatch, format):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as GluonCV does when it is imported
    image = Image.fromarray(draw((200, 100, 50), 1, (200, 200)))
    data = encode(image.convert("RGBA") if format == "PNG" else image, format)
    cut = data[: len(data) // 2] + b"IEND" * (format == "PNG")
    with pytest.raises(ImageError):
        decode_photo(cut)


OTHERS = {
    "Radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 9 +X 9\n" + bytes(9 * 9 * 4),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n",
    "PAM": b"P7\nWIDTH 9\nHEIGHT 9\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + bytes(9 * 9 * 3),
    "Sun": struct.pack(">8I", 0x59A66A95, 9, 9, 24, 9 * 28, 1, 0, 0) + bytes(9 * 28),
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_formats_that_no_camera_writes_are_none(data):
    """Decoders know them, and don't look at how many pixels they ask for, or start other programs for them."""
    with pytest.raises(NotAnImageError):
        decode_photo(data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_that_pillow_does_not_know_must_say_how_large_it_is(order):
    data = cv2.imencode(".tiff", HALVES[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()
    assert_halves(decode_photo(data, largest=30 * 40))
    with pytest.raises(LargeImageError, match="40 x 30 pixels"):
        decode_photo(data, largest=30 * 40 - 1)
    tags = struct.pack(order + "HHHIIHHIIHHIII", 3, 256, 4, 1, 9, 257, 4, 1, 9, 256, 4, 1, 20_000, 0)  # two widths
    head = struct.pack(order + "4sI", b"II*\0" if order == "<" else b"MM\0*", 8)
    with pytest.raises(LargeImageError, match="20000 x 9 pixels"):
        decode_photo(head + tags, largest=100_000)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_pixels_are_counted_without_decoding(format):
    data = encode(Image.fromarray(HALVES), format)
    assert count_pixels(data[: len(data) // 2] if format in ("PNG", "BMP") else data) == 30 * 40


@pytest.mark.parametrize("data", [b"", b"hot dogs, ten of them", b"\xff\xd8", b"II*\0\xff\xff\xff\xff"])
def test_what_is_no_photo_has_no_pixels(data):
    assert count_pixels(data) == 0


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


def large(size: tuple[int, int] = (521, 603)) -> np.ndarray:
    """A picture with detail of every size, the smaller the fainter, as photos have it: uint8 RGB, shape (*size, 3)."""
    image = np.zeros((*size, 3), np.float32)
    for step in (2, 4, 8, 16, 32, 64, 128):
        noise = np.random.default_rng(step).normal(size=(size[0] // step + 2, size[1] // step + 2, 3))
        image += cv2.resize((step**0.75 * noise).astype(np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(image + 128, 0, 255).astype(np.uint8)


def jpeg_of(path, image: np.ndarray, orientation: int = 1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.write_bytes(encode(Image.fromarray(image), "JPEG", quality=92, exif=exif))
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_photo_in_full_is_the_whole_decoding(tmp_path, orientation):
    path = jpeg_of(tmp_path / "large.jpg", large(), orientation)
    photo, image = open_photo(path), read_photo(path)
    assert (photo.height, photo.width) == image.shape[:2]
    assert (photo.part(0, 0, photo.width, photo.height, image.shape[1::-1]) == image).all()


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_a_reduced_photo_is_the_mean_of_areas_or_nearly_so(tmp_path, reduction):
    path = jpeg_of(tmp_path / "large.jpg", large((800, 1200)), orientation=6)
    image = read_photo(path)
    size = (image.shape[1] // reduction, image.shape[0] // reduction)
    reduced = open_photo(path).part(0, 0, image.shape[1], image.shape[0], size)
    expected = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.astype(int) - expected).mean() < 2


def test_a_reduced_photo_has_the_last_pixels_of_sides_that_no_block_divides(tmp_path):
    path = jpeg_of(tmp_path / "large.jpg", large(), orientation=8)
    photo = open_photo(path)
    for reduction in (2, 4, 8):
        assert photo.decode(reduction).shape == (-(-photo.height // reduction), -(-photo.width // reduction), 3)


@given(st.data())
def test_a_part_comes_from_the_strongest_reduction_that_has_enough_pixels(data):
    asked = []

    def decode(reduction):
        asked.append(reduction)
        return np.zeros((-(-2000 // reduction), -(-3001 // reduction), 3), np.uint8)

    left, right = sorted(data.draw(st.lists(st.integers(0, 3001), min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(data.draw(st.lists(st.integers(0, 2000), min_size=2, max_size=2, unique=True)))
    width, height, size = right - left, bottom - top, data.draw(st.tuples(st.integers(1, 500), st.integers(1, 500)))
    part = Photo(3001, 2000, decode, (8, 4, 2, 1)).part(left, top, width, height, size)
    (reduction,) = asked
    assert abs(part.shape[1] - width / reduction) < 1
    assert abs(part.shape[0] - height / reduction) < 1
    if reduction == 1:
        assert part.shape[:2] == (height, width)
    else:
        assert part.shape[1] >= size[0]
        assert part.shape[0] >= size[1]
    assert reduction == 8 or width < 2 * reduction * size[0] or height < 2 * reduction * size[1]


def test_a_photo_that_is_not_large_is_the_whole_decoding(tmp_path):
    path = jpeg_of(tmp_path / "small.jpg", large((480, 500)))
    assert (open_photo(path).part(10, 20, 400, 440, (20, 20)) == read_photo(path)[20:460, 10:410]).all()


def test_a_large_photo_that_breaks_off_is_named_when_opened(tmp_path):
    path = jpeg_of(tmp_path / "large.jpg", large())
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ImageError, match=r"large\.jpg: the JPEG breaks off"):
        open_photo(path)


def test_a_large_jpeg_that_no_decoder_knows_is_named_when_decoded(tmp_path):
    path = jpeg_of(tmp_path / "large.jpg", large())
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\xc0") + 4] = 3  # bits a sample, of which there are 8 or 12
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"large\.jpg: not an image"):
        open_photo(path).part(0, 0, 100, 100, (10, 10))


def test_a_named_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "photo.jpg")
    with pytest.raises(ImageError, match="empty"):
        read_photo(tmp_path / "photo.jpg")


def test_a_photo_that_memory_does_not_suffice_for_is_named(tmp_path):
    path = tmp_path / "large.png"
    assert cv2.imwrite(str(path), np.zeros((12_000, 12_000), np.uint8))  # 432 million bytes as RGB
    code = f"""
import resource, sys
from hotdog_ft.data.photo import read_photo
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (300 << 20),) * 2)
read_photo({str(path)!r})
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.stderr.splitlines()[-1].endswith(f"ImageError: {path}: there is not enough memory to decode it.")
