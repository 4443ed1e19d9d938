"""Pictures in a terminal: by kitty's, iTerm2's or the sixel protocol, as it understands, or else of half blocks."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import re
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from hotdog_ft.cli.terminal import in_colour

log = logging.getLogger(__name__)

CELLS, PIXELS = 40, 320
"""How large a picture is: its longer side in half blocks, or in pixels."""

ANSWER_SECONDS = 0.5
"""How long a terminal may take to say what it can. Terminals on other continents take a third of a second."""


@dataclass(frozen=True)
class Preview:
    """side: of the pictures, the longer one, in pixels. draw: uint8 RGB, shape (height, width, 3) -> what to print."""

    side: int
    draw: Callable[[np.ndarray], str]


def find_preview(way: str) -> Preview | None:
    """How to show pictures on standard output. way: one of WAYS, or `auto`. None, and a warning, if none can be."""
    terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if not terminal and not in_colour(sys.stdout):
        log.warning("--preview: left out, since the output is not a terminal.")
        return None
    if way == "auto":
        way = _way_of_terminal() if terminal else "blocks"
    if way == "blocks":
        try:
            UPPER_HALF.encode(sys.stdout.encoding)
        except UnicodeError:
            log.warning("--preview: left out, since %s has no half blocks. Set LC_ALL=C.UTF-8.", sys.stdout.encoding)
            return None
        return Preview(min(CELLS, shutil.get_terminal_size().columns), as_blocks)
    return Preview(PIXELS, WAYS[way])


def _way_of_terminal() -> str:
    """What the terminal of standard output understands, by the names that terminals give themselves, or by asking."""
    environment = os.environ
    program = environment.get("TERM_PROGRAM", "")
    within = "TMUX" in environment or environment.get("TERM", "").startswith(("tmux", "screen"))
    if not within:  # tmux and screen pass the outer terminal's variables on, but not its protocol
        if environment.get("TERM") in ("xterm-kitty", "xterm-ghostty") or "KITTY_WINDOW_ID" in environment:
            return "kitty"
        if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
            return "iterm"
    return "sixel" if _has_sixel() else "blocks"


def _has_sixel() -> bool:
    """Ask the terminal for its device attributes, of which 4 is sixel."""
    with contextlib.suppress(OSError, termios.error):
        terminal = os.open(os.ttyname(sys.stdout.fileno()), os.O_RDWR | os.O_NOCTTY)
        try:
            return b"4" in _device_attributes(terminal)
        finally:
            os.close(terminal)
    return False


def _device_attributes(terminal: int) -> list[bytes]:
    """What a terminal answers to the question of what it is. Raises: OSError, termios.error."""
    with contextlib.suppress(OSError):  # it isn't the one we were started from
        if os.tcgetpgrp(terminal) != os.getpgrp():
            return []  # in the background, which may not ask
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        os.write(terminal, b"\x1b[c")
        answer, end = b"", time.monotonic() + ANSWER_SECONDS
        while (left := end - time.monotonic()) > 0 and select.select([terminal], [], [], left)[0]:
            answer += os.read(terminal, 64)
            if found := re.search(rb"\x1b\[\?([\d;]+)c", answer):
                return found[1].split(b";")
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)
    return []


UPPER_HALF = "\N{UPPER HALF BLOCK}"


def as_blocks(image: np.ndarray) -> str:
    """Two pixels a character: the upper one is its colour, the lower one its background's, both in 24 bits."""
    lines = []
    for top in range(0, len(image), 2):
        pairs = zip(image[top], image[top + 1] if top + 1 < len(image) else [None] * image.shape[1])
        cells = (f"\x1b[38;2;{_rgb(upper)}{'' if lower is None else f';48;2;{_rgb(lower)}'}m" for upper, lower in pairs)
        lines.append("".join(cell + UPPER_HALF for cell in cells) + "\x1b[0m\n")
    return "".join(lines)


def _rgb(pixel: np.ndarray) -> str:
    return ";".join(map(str, pixel))


def as_kitty(image: np.ndarray) -> str:
    """A PNG in pieces of 4,096 characters, which the terminal shows at once and doesn't answer."""
    data = base64.b64encode(_png(image)).decode()
    pieces = [data[i : i + 4096] for i in range(0, len(data), 4096)]
    keys = ["a=T,f=100,q=2,", *[""] * (len(pieces) - 1)]
    more = [1] * (len(pieces) - 1) + [0]
    return "".join(f"\x1b_G{key}m={m};{piece}\x1b\\" for key, m, piece in zip(keys, more, pieces)) + "\n"


def as_iterm(image: np.ndarray) -> str:
    """A PNG as a file that iTerm2 shows in the line."""
    data = _png(image)
    return f"\x1b]1337;File=inline=1;size={len(data)}:{base64.b64encode(data).decode()}\a\n"


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def as_sixel(image: np.ndarray) -> str:
    """Bands of six rows; for each of its colours, a character a column tells which of the six pixels have it."""
    from PIL import Image

    quantized = Image.fromarray(image).quantize(colors=128)
    indices = np.asarray(quantized)
    palette = np.array(quantized.getpalette(), dtype=int)[: 3 * (indices.max() + 1)].reshape(-1, 3) * 100 // 255
    height, width = indices.shape
    parts = [f'\x1bPq"1;1;{width};{height}', *(f"#{i};2;{r};{g};{b}" for i, (r, g, b) in enumerate(palette))]
    for top in range(0, height, 6):
        band = indices[top : top + 6]
        weights = 1 << np.arange(len(band))
        rows = (f"#{colour}{_six_pixels(weights @ (band == colour))}" for colour in np.unique(band))
        parts.append("$".join(rows) + "-")
    return "".join(parts) + "\x1b\\\n"


def _six_pixels(columns: np.ndarray) -> str:
    """Characters for columns of up to six pixels, each a number below 64; what repeats is counted."""
    text = (columns + 63).astype(np.uint8).tobytes().decode("ascii")
    return re.sub(r"(.)\1{3,}", lambda found: f"!{len(found[0])}{found[1]}", text)


WAYS: dict[str, Callable[[np.ndarray], str]] = {
    "kitty": as_kitty,
    "iterm": as_iterm,
    "sixel": as_sixel,
    "blocks": as_blocks,
}
