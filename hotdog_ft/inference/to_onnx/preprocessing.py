"""A photo's way to the network as an ONNX model, by the record of it that the network carries."""

from __future__ import annotations

import numpy as np
import onnx
from onnxscript import FLOAT, UINT8, optimizer, script
from onnxscript import opset15 as op

from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.inference.to_onnx.resizing import bicubic, bilinear, by_area, size_in_proportion, size_stretched

OPSET, IR_VERSION = 15, 8  # of 2021: what reads ONNX at all, reads these


def preprocessing(preprocess: Preprocess) -> onnx.ModelProto:
    """What Preprocess.for_test and the normalisation behind it do.

    Input `photos`: uint8 RGB, shape (photos, height, width, 3). Output `pixels`: float32, shape (photos, 3, image_size,
    image_size).
    """
    size, resize_to, is_bicubic = preprocess.image_size, preprocess.resize, preprocess.interpolation == "bicubic"
    resized_size = size_in_proportion if preprocess.keep_ratio else size_stretched
    shape = (1, 3, 1, 1)
    scale = onnx.numpy_helper.from_array(np.array([1 / (255 * s) for s in preprocess.std], np.float32).reshape(shape))
    shift = onnx.numpy_helper.from_array(
        np.array([m / s for m, s in zip(preprocess.mean, preprocess.std)], np.float32).reshape(shape)
    )

    @script(default_opset=op)
    def preprocessed(photos):
        sides = op.Shape(photos)
        height, width = op.Gather(sides, 1), op.Gather(sides, 2)
        resized_height, resized_width = resized_size(height, width, resize_to)
        rows = op.Range(0, size, 1) + (resized_height - size) / 2
        columns = op.Range(0, size, 1) + (resized_width - size) / 2
        shrinks = resized_height * resized_width < height * width
        grows = op.Or(resized_height > height, resized_width > width)
        if op.And(shrinks, op.Not(grows)):
            resized = by_area(photos, height, width, resized_height, resized_width, rows, columns)
        else:
            if op.And(is_bicubic, op.Not(shrinks)):
                resized = bicubic(photos, height, width, resized_height, resized_width, rows, columns)
            else:
                resized = bilinear(photos, height, width, resized_height, resized_width, rows, columns, shrinks)
        planes = op.Transpose(resized, perm=[0, 3, 1, 2])
        return planes * op.Constant(value=scale) - op.Constant(value=shift)

    model = preprocessed.to_model_proto(
        input_types=[UINT8["photos", "height", "width", 3]],
        output_types=[FLOAT["photos", 3, size, size]],
        ir_version=IR_VERSION,
    )
    return optimizer.optimize(model)
