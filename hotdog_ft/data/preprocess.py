"""What is done to a photo before the network sees it: one record, kept with the network that wants it.

The loader's part ends with uint8 pixels of the right size, shape (height, width, 3). Scaling, normalising and the
change of layout belong to the network, with this record's values: a block in front of it (models/classifier.py), and on
CPUs what computes the same in less time (models/photo_input.py).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from hotdog_ft.data.photo import Photo

_INTERPOLATION = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


@dataclass(frozen=True)
class Preprocess:
    """A backbone's preprocessing. Pixels reach the network as (RGB / 255 - mean) / std."""

    image_size: int = 224
    """Height and width that the network sees, in pixels."""
    resize: int = 256
    """What a test photo is resized to before the centre of image_size is cut out, in pixels."""
    keep_ratio: bool = False
    """Resize the short side and keep the proportions; else stretch both sides, as the book does."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    """How a photo is enlarged. Shrinking always averages the area, so that nothing aliases."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def at(self, image_size: int | None, crop_mode: str = "center") -> Preprocess:
        """The same at another size. crop_mode: `center`, which stays in proportion, or `squash`, the whole photo."""
        image_size = image_size or self.image_size
        if crop_mode == "squash":
            return dataclasses.replace(self, image_size=image_size, resize=image_size, keep_ratio=False)
        resize = math.ceil(self.resize * image_size / self.image_size)
        return dataclasses.replace(self, image_size=image_size, resize=resize)

    def for_test(self, image: np.ndarray | Photo, rng: np.random.Generator | None = None) -> np.ndarray:
        """Resize and cut out the centre. A photo, or uint8 (any, any, 3) -> uint8 (image_size, image_size, 3).

        rng is not used: this has the signature of the training transformation. Raises: ImageError, for a Photo.
        """
        photo = Photo.of(image)
        if self.keep_ratio:
            scale = self.resize / min(photo.height, photo.width)
            size = (max(round(photo.width * scale), self.resize), max(round(photo.height * scale), self.resize))
        else:
            size = (self.resize, self.resize)
        # Cutting the centre out first would save a quarter of the resizing, which is little beside the decoding, and
        # would give other pixels: the centre's edges lie between pixels of the photo.
        whole = photo.part(0, 0, photo.width, photo.height, size)
        return center_crop(self.resized(whole, size), self.image_size)

    def resized(self, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """`image` at size (width, height)."""
        height, width = image.shape[:2]
        if (width, height) == size:
            return image
        shrinks = size[0] * size[1] < width * height
        # Intel's IPP, which OpenCV would leave bicubic to, gives other pixels on other processors. What OpenCV computes
        # itself is the same on all, and can be written in ONNX (inference/to_onnx). The switch is the thread's own.
        cv2.ipp.setUseIPP(False)
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else _INTERPOLATION[self.interpolation])

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """From `to_dict`'s values. Raises: TypeError, ValueError."""
        mean, std = (tuple(float(v) for v in values[name]) for name in ("mean", "std"))
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ValueError("mean and std need three values, std above 0")
        if values["interpolation"] not in _INTERPOLATION:
            raise ValueError(f"unknown interpolation {values['interpolation']!r}")
        return cls(**{**values, "mean": mean, "std": std})

    def describe(self) -> str:
        """In a line, for people."""
        how = "short side to" if self.keep_ratio else "to"
        both = "" if self.keep_ratio else f" x {self.resize}"
        mean, std = (", ".join(f"{v:.3f}" for v in values) for values in (self.mean, self.std))
        return (
            f"resize {how} {self.resize}{both} ({self.interpolation}), centre crop {self.image_size}, "
            f"mean {mean}, std {std}"
        )


def center_crop(image: np.ndarray, size: int) -> np.ndarray:
    """The middle size x size pixels. shape (height >= size, width >= size, 3) -> (size, size, 3)."""
    top, left = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[top : top + size, left : left + size]
