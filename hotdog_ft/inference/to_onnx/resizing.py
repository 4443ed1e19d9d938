"""OpenCV's resizing in ONNX, to the same pixels: what data/preprocess.py does to a test photo, for photos of any size.

ONNX has an operator `Resize`, which weighs pixels in its own way and doesn't round. OpenCV's results are whole numbers,
and one pixel that is one off can change a probability by more than 0.0001. So the arithmetic here is OpenCV's, to the
last bit and in its order, in each of its three ways to resize:

    the mean of an area, where neither side grows, in floating point;
    bicubic, from weights that are whole numbers, in floating point at the end;
    bilinear, in whole numbers that drop bits on the way; those are dropped here too.

The functions below are ONNX, written in Python: onnxscript makes operators of them. In all of them a side of a photo is
`length`, its pixels; `resized`, what they become; and `at`, which of those are wanted: int64, the last of shape
(wanted,). Positions in a photo are whole numbers as long as they can be, so that weights are exact for photos of any
size. `photos` are uint8, shape (photos, height, width, 3); what comes of them is float32, of whole numbers from 0 to
255, shape (photos, wanted rows, wanted columns, 3).
"""

from __future__ import annotations

from onnx import TensorProto
from onnxscript import opset15 as op
from onnxscript import script
from onnxscript.values import Opset

FLOAT, DOUBLE, INT32, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64

resize = Opset("hotdog_ft.resize", 1)


@script(resize, default_opset=op)
def size_stretched(height, width, size):
    """Both sides become `size`. Returns the height and the width."""
    return op.Identity(size), op.Identity(size)


@script(resize, default_opset=op)
def size_in_proportion(height, width, size):
    """The short side becomes `size`, and the other keeps the proportions. Returns the height and the width."""
    scale = op.Cast(size, to=DOUBLE) / op.Cast(op.Min(height, width), to=DOUBLE)
    scaled_height = op.Cast(op.Round(op.Cast(height, to=DOUBLE) * scale), to=INT64)
    scaled_width = op.Cast(op.Round(op.Cast(width, to=DOUBLE) * scale), to=INT64)
    return op.Max(scaled_height, size), op.Max(scaled_width, size)


@script(resize, default_opset=op)
def area_weights(length, resized, at, divisor):
    """The pixels that each wanted pixel covers, and how much of them as a part of `divisor`.

    Pixel i of the resized side covers i * length to (i + 1) * length, and pixel k of the photo k * resized to
    (k + 1) * resized, in the same unit: all are whole numbers. Returns int64 and float32, shape (most covered, wanted).
    """
    begins = at * length
    most = (length + resized) / resized + 1
    covered = begins / resized + op.Unsqueeze(op.Range(0, most, 1), [1])
    overlap = op.Min(begins + length, (covered + 1) * resized) - op.Max(begins, covered * resized)
    weights = op.Cast(op.Max(overlap, 0), to=FLOAT) / op.Cast(divisor, to=FLOAT)
    return op.Min(covered, length - 1), weights


@script(resize, default_opset=op)
def cubic_weights(length, resized, at):
    """For each wanted pixel, the four nearest, and their weights in parts of 2048: Keys' cubic with a = -0.75.

    Beyond the edge lies its last pixel, again and again. Returns int64 and float32, shape (wanted, 4).
    """
    scale = 1.0 / (op.Cast(resized, to=DOUBLE) / op.Cast(length, to=DOUBLE))
    position = op.Unsqueeze(op.Cast((op.Cast(at, to=DOUBLE) + 0.5) * scale - 0.5, to=FLOAT), [1])
    before = op.Floor(position)
    near = op.Cast(before, to=INT64) + op.Constant(value_ints=[-1, 0, 1, 2])
    x = position - before
    y = 1.0 - x
    first = ((-0.75 * (x + 1.0) + 3.75) * (x + 1.0) - 6.0) * (x + 1.0) + 3.0
    second = (1.25 * x - 2.25) * x * x + 1.0
    third = (1.25 * y - 2.25) * y * y + 1.0
    fourth = 1.0 - first - second - third
    weights = op.Round(op.Concat(first, second, third, fourth, axis=1) * 2048.0)
    return op.Min(op.Max(near, 0), length - 1), weights


@script(resize, default_opset=op)
def linear_weights(length, resized, at, one_shrinks):
    """For each wanted pixel, the two beside it, and their weights in parts of 2048.

    one_shrinks: one side of the photo shrinks and the other grows, for which OpenCV has other positions. Returns two
    times int64 and two times int32, shape (wanted,).
    """
    growth = op.Cast(resized, to=DOUBLE) / op.Cast(length, to=DOUBLE)
    scale = 1.0 / growth
    wanted = op.Cast(at, to=DOUBLE)
    if one_shrinks:
        begins = op.Floor(wanted * scale)
        beyond = op.Max(op.Cast(wanted + 1.0 - (begins + 1.0) * growth, to=FLOAT), 0.0)
        before = op.Cast(begins, to=INT64)
        part = beyond - op.Floor(beyond)
    else:
        position = op.Cast((wanted + 0.5) * scale - 0.5, to=FLOAT)
        before = op.Cast(op.Floor(position), to=INT64)
        part = position - op.Floor(position)
    weight = op.Cast(op.Round((1.0 - part) * 2048.0), to=INT32)
    next_weight = op.Cast(op.Round(part * 2048.0), to=INT32)
    return (
        op.Min(op.Max(before, 0), length - 1),
        op.Min(op.Max(before + 1, 0), length - 1),
        weight,
        next_weight,
    )


@script(resize, default_opset=op)
def weigh(photos, rows, row_weights, columns, column_weights):
    """Each wanted pixel's columns of the photo, weighed, and then their rows, one tap after the other.

    rows, columns: int64, shape (taps, wanted); the weights, float32, have that shape too.
    """
    left = op.Cast(op.Gather(photos, op.Gather(columns, 0), axis=2), to=FLOAT)
    lines = left * op.Unsqueeze(op.Gather(column_weights, 0), [1])
    for tap in range(op.Gather(op.Shape(columns), 0) - 1):
        right = op.Cast(op.Gather(photos, op.Gather(columns, tap + 1), axis=2), to=FLOAT)
        lines = lines + right * op.Unsqueeze(op.Gather(column_weights, tap + 1), [1])
    upper = op.Gather(lines, op.Gather(rows, 0), axis=1)
    weighed = upper * op.Unsqueeze(op.Gather(row_weights, 0), [1, 2])
    for tap in range(op.Gather(op.Shape(rows), 0) - 1):
        lower = op.Gather(lines, op.Gather(rows, tap + 1), axis=1)
        weighed = weighed + lower * op.Unsqueeze(op.Gather(row_weights, tap + 1), [1, 2])
    return weighed


@script(resize, default_opset=op)
def by_area(photos, height, width, resized_height, resized_width, rows, columns):
    """Neither side grows: each pixel becomes the mean of the area that it covers."""
    # Where areas are whole pixels, OpenCV adds those up and divides once, so that no sum is rounded before that.
    whole = height % resized_height + width % resized_width == 0
    row_divisor = op.Where(whole, resized_height, height)
    column_divisor = op.Where(whole, resized_width, width)
    row_taps, row_weights = area_weights(height, resized_height, rows, row_divisor)
    column_taps, column_weights = area_weights(width, resized_width, columns, column_divisor)
    sums = weigh(photos, row_taps, row_weights, column_taps, column_weights)
    pixels = (height / resized_height) * (width / resized_width)
    means = sums * op.Where(whole, 1.0 / op.Cast(pixels, to=FLOAT), 1.0)
    # It rounds halves up where 2 x 2 pixels become one, and else to the even number beside them.
    halved = op.And(height == 2 * resized_height, width == 2 * resized_width)
    return op.Round(means + op.Where(halved, 0.01, 0.0))


@script(resize, default_opset=op)
def bicubic(photos, height, width, resized_height, resized_width, rows, columns):
    """Both sides grow."""
    row_taps, row_weights = cubic_weights(height, resized_height, rows)
    column_taps, column_weights = cubic_weights(width, resized_width, columns)
    blocks = op.Cast(op.Gather(photos, column_taps, axis=2), to=FLOAT)
    lines = op.Squeeze(op.MatMul(op.Unsqueeze(column_weights, [1]), blocks), [3])
    # Those are whole numbers, exact in any order. Now each product and sum is rounded, and their order matters.
    parts = op.Unsqueeze(op.Transpose(row_weights / 4194304.0), [2, 3])
    products = op.Gather(lines, op.Transpose(row_taps), axis=1) * parts
    first, second, third, fourth = op.Split(products, axis=1)
    resized = op.Squeeze(((fourth + third) + second) + first, [1])
    return op.Clip(op.Round(resized), 0.0, 255.0)


@script(resize, default_opset=op)
def bilinear(photos, height, width, resized_height, resized_width, rows, columns, one_shrinks):
    """Both sides grow, or one grows and the other shrinks."""
    left, right, left_weight, right_weight = linear_weights(width, resized_width, columns, one_shrinks)
    upper, lower, upper_weight, lower_weight = linear_weights(height, resized_height, rows, one_shrinks)
    left_pixels = op.Cast(op.Gather(photos, left, axis=2), to=INT32) * op.Unsqueeze(left_weight, [1])
    right_pixels = op.Cast(op.Gather(photos, right, axis=2), to=INT32) * op.Unsqueeze(right_weight, [1])
    lines = (left_pixels + right_pixels) / 16
    upper_pixels = op.Gather(lines, upper, axis=1) * op.Unsqueeze(upper_weight, [1, 2]) / 65536
    lower_pixels = op.Gather(lines, lower, axis=1) * op.Unsqueeze(lower_weight, [1, 2]) / 65536
    return op.Cast((upper_pixels + lower_pixels + 2) / 4, to=FLOAT)
