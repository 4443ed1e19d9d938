"""What `data check` found, as a picture: photos side by side, with their paths and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from hotdog_ft.data.check import Finding
from hotdog_ft.data.photo import read_photo
from hotdog_ft.errors import ImageError
from hotdog_ft.files import printable

COLUMNS = 3
PHOTO = (220, 165)
"""The largest width and height of a photo on the sheet, in pixels."""
MOST = 600
"""Findings on a sheet, which is then 50,000 pixels high: PNG readers refuse more than 65,535."""

_GAP, _LINE, _PADDING = 8, 17, 12
_CARD = (2 * PHOTO[0] + _GAP, PHOTO[1] + 5 * _LINE)
_COLOURS = {"leak": "#b00020", "conflict": "#b00020", "refused": "#b00020", "broken": "#b00020"}


def draw_findings(title: str, findings: Sequence[Finding], root: Path, path: Path) -> None:
    """Draw a card for each finding, three a row, to a PNG. Paths are shown from `root` on."""
    rows = -(-len(findings) // COLUMNS)
    width = COLUMNS * (_CARD[0] + 2 * _PADDING)
    sheet = Image.new("RGB", (width, 3 * _LINE + rows * (_CARD[1] + 2 * _PADDING)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_PADDING, _LINE), _fitting(title, width - 2 * _PADDING, _font(15)), "black", _font(15))
    for i, finding in enumerate(findings):
        row, column = divmod(i, COLUMNS)
        left = column * (_CARD[0] + 2 * _PADDING) + _PADDING
        top = 3 * _LINE + row * (_CARD[1] + 2 * _PADDING)
        draw.line((left, top, left + _CARD[0], top), "#cccccc")
        _draw_card(sheet, draw, finding, root, left, top + _GAP)
    sheet.save(path)


def _draw_card(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, finding: Finding, root: Path, left: int, top: int
) -> None:
    colour = _COLOURS.get(finding.kinds[0], "#8a5a00")
    draw.text((left, top), ", ".join(finding.kinds), colour, _font(13))
    similarity = "" if finding.similarity is None else f", {finding.similarity:.2f}"
    detail = _fitting(printable(finding.detail) + similarity, _CARD[0], _font(12))
    draw.text((left, top + _LINE), detail, "black", _font(12))
    top += 2 * _LINE + 4
    for i, path in enumerate(finding.paths[:2]):
        x = left + i * (PHOTO[0] + _GAP)
        photo = _read(path)
        if photo is None:
            draw.rectangle((x, top, x + PHOTO[0], top + PHOTO[1]), "#eeeeee")
            draw.text((x + _GAP, top + PHOTO[1] // 2), "can't be shown", "#777777", _font(12))
        else:
            sheet.paste(photo, (x, top))
        shown = printable(str(path.relative_to(root) if path.is_relative_to(root) else path))
        for line, text in enumerate(_two_lines(shown, PHOTO[0], _font(12))):
            draw.text((x, top + PHOTO[1] + 2 + line * (_LINE - 2)), text, "black", _font(12))


def _read(path: Path) -> Image.Image | None:
    """A photo at its size on the sheet; None when there is none to see."""
    try:
        photo = Image.fromarray(read_photo(path))
    except ImageError:
        return None
    scale = min(PHOTO[0] / photo.width, PHOTO[1] / photo.height)
    return photo.resize((max(1, round(photo.width * scale)), max(1, round(photo.height * scale))), Image.Resampling.BOX)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font, which is everywhere the same and knows more alphabets than Pillow's."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


def _two_lines(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """The text in one line or two; what is too long loses its middle."""
    if font.getlength(text) <= width:
        return [text]
    half = next(n for n in range(len(text), 0, -1) if font.getlength(text[:n]) <= width)
    slash = text.rfind("/", 1, half)
    half = slash + 1 if slash > 0 else half
    return [text[:half], _fitting(text[half:], width, font)]


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    """The text, without so much of its middle that it is no wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        shorter = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if font.getlength(shorter) <= width:
            return shorter
    return ""
