"""Pictures in a terminal: what is drawn is read back as a terminal would."""

from __future__ import annotations

import base64
import io
import re

import cv2
import numpy as np
import pytest

from hotdog_ft.cli.preview import as_blocks, as_iterm, as_kitty, as_sixel
from tests.cli.processes import at_terminal


def picture(height: int, width: int) -> np.ndarray:
    """uint8 RGB, shape (height, width, 3): smooth, no two corners alike."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    return np.stack([255 * x, 255 * y, 128 + 0 * x], axis=2).astype(np.uint8)


SIZES = [(1, 1), (2, 3), (7, 5), (30, 40), (213, 320)]


def png(text: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def blocks(text: str) -> np.ndarray:
    """The pixels of half blocks; those that nothing was drawn to are 0."""
    cell = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+)(?:;48;2;(\d+);(\d+);(\d+))?m▀")
    rows = []
    for line in text.splitlines():
        assert line.endswith("\x1b[0m")
        cells = np.array([[int(value or 0) for value in found] for found in cell.findall(line)])
        rows += [cells[:, :3], cells[:, 3:]]
    return np.array(rows)


def sixels(text: str) -> np.ndarray:
    """The pixels of a sixel picture: int, shape (height, width, 3), 0 to 100."""
    found = re.fullmatch(r'\x1bPq"1;1;(\d+);(\d+)(.*)\x1b\\\n', text, re.DOTALL)
    width, height = int(found[1]), int(found[2])
    pixels = np.full((height, width, 3), -1)
    palette, colour, top, left = {}, None, 0, 0
    for token in re.findall(r"#\d+(?:;\d+)*|!\d+.|.", found[3]):
        if token[0] == "#":
            colour, *values = map(int, token[1:].split(";"))
            if values:
                assert values[0] == 2
                palette[colour] = values[1:]
        elif token == "$":
            left = 0
        elif token == "-":
            top, left = top + 6, 0
        else:
            count = int(token[1:-1]) if token[0] == "!" else 1
            for row in range(6):
                if (ord(token[-1]) - 63) >> row & 1:
                    pixels[top + row, left : left + count] = palette[colour]
            left += count
    return pixels


@pytest.mark.parametrize("size", SIZES)
def test_half_blocks_are_the_picture(size):
    image = picture(*size)
    drawn = blocks(as_blocks(image))
    assert (drawn[: size[0]] == image).all()
    assert drawn.shape == (size[0] + size[0] % 2, size[1], 3)


@pytest.mark.parametrize("size", SIZES)
def test_kitty_gets_the_picture_in_pieces(size):
    text = as_kitty(picture(*size))
    pieces = re.findall(r"\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\", text)
    assert all(len(data) <= 4096 for _, data in pieces)
    assert pieces[0][0].startswith("a=T,f=100,q=2,")
    assert [keys.split("m=")[1] for keys, _ in pieces] == ["1"] * (len(pieces) - 1) + ["0"]
    assert (png("".join(data for _, data in pieces)) == picture(*size)).all()


@pytest.mark.parametrize("size", SIZES)
def test_iterm_gets_the_picture_as_a_file(size):
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+):([A-Za-z0-9+/=]*)\x07\n", as_iterm(picture(*size)))
    assert len(base64.b64decode(found[2])) == int(found[1])
    assert (png(found[2]) == picture(*size)).all()


@pytest.mark.parametrize("size", SIZES)
def test_sixels_are_the_picture_in_128_colours(size):
    difference = np.abs(sixels(as_sixel(picture(*size))) - picture(*size) * (100 / 255))
    assert difference.max() < 15
    assert difference.mean() < 3


MARKS = ("\x1b_G", "\x1b]1337;File=", "\x1bPq", "▀")
WAYS = {
    "kitty": ({"TERM": "xterm-kitty"}, b"", "\x1b_G"),
    "kitty by its window": ({"KITTY_WINDOW_ID": "1"}, b"", "\x1b_G"),
    "ghostty": ({"TERM": "xterm-ghostty"}, b"", "\x1b_G"),
    "iTerm2": ({"TERM_PROGRAM": "iTerm.app"}, b"", "\x1b]1337;File="),
    "WezTerm": ({"TERM_PROGRAM": "WezTerm"}, b"", "\x1b]1337;File="),
    "says that it has sixel": ({}, b"\x1b[?62;4;22c", "\x1bPq"),
    "says that it has none": ({}, b"\x1b[?62;22;44c", "▀"),
    "says nothing": ({}, b"", "▀"),
    "tmux in kitty": ({"TERM": "tmux-256color", "TMUX": "1", "KITTY_WINDOW_ID": "1"}, b"", "▀"),
    "NO_COLOR is of texts": ({"NO_COLOR": "1"}, b"", "▀"),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_terminal_gets_what_it_understands(run, photo, name):
    environment, attributes, begin = WAYS[name]
    shown, _ = at_terminal("predict", photo, "--preview", "--run", run, attributes=attributes, **environment)
    assert {mark for mark in MARKS if mark in shown} == {begin}
    assert shown.splitlines()[-1].endswith(str(photo))


@pytest.mark.parametrize(
    ("way", "begin"), [("kitty", "\x1b_G"), ("iterm", "\x1b]1337;File="), ("sixel", "\x1bPq"), ("blocks", "▀")]
)
def test_the_way_can_be_chosen(run, photo, way, begin):
    shown, _ = at_terminal("predict", photo, "--preview", "--preview-as", way, "--run", run, TERM="xterm-kitty")
    assert begin in shown


def test_each_picture_stands_above_its_answer(run, photos, broken):
    shown, _ = at_terminal("predict", photos / "test", broken, "--preview", "--sort", "doubt", "--run", run)
    kinds = {"▀": "picture", "%\x1b": "answer", "Error:": "error"}
    lines = "".join(kind[0] for line in shown.splitlines() for mark, kind in kinds.items() if mark in line)
    assert re.sub("p+", "p", lines) == "pa" * 6 + "e"


def test_elsewhere_the_picture_is_left_out_with_a_warning(predict, photo):
    status, out, err = predict(photo, "--preview")
    assert (status, out) == (0, predict(photo)[1])
    assert err == "Warning: --preview: left out, since the output is not a terminal.\n"


def test_a_dumb_terminal_gets_none(run, photo):
    shown, _ = at_terminal("predict", photo, "--preview", "--run", run, TERM="dumb")
    assert "Warning: --preview: left out" in shown
    assert "\x1b" not in shown


def test_where_colour_is_forced_the_picture_is_of_half_blocks(predict, photo, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "▀" in predict(photo, "--preview")[1]


def test_without_unicode_the_picture_is_left_out(run, photo):
    shown, _ = at_terminal("predict", photo, "--preview", "--run", run, PYTHONIOENCODING="ascii")
    assert "left out, since ascii has no half blocks" in shown
    assert str(photo) in shown


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_what_programs_read_has_no_pictures(predict, photo, form):
    status, out, err = predict(photo, "--preview", form)
    assert (status, out) == (2, "")
    assert err.startswith(f"Error: {form} and --preview exclude each other.")


def test_a_picture_of_standard_input_and_from_an_address(predict, photo, monkeypatch):
    import sys

    from tests.data.servers import serve

    monkeypatch.setenv("FORCE_COLOR", "1")
    expected = predict(photo, "--preview")[1].split("\x1b[0m\n")[0]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    with serve(photo.read_bytes()) as server:
        assert predict("-", server.url, "--preview")[1].count(expected) == 2
