"""Maps are resized as OpenCV resizes them.

`tests/data/opencv-resize.npz` holds what `cv2.resize` of opencv-python-headless 5.0.0 made of
random maps. Where OpenCV is installed, it is asked itself, for maps of any size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explainer.evaluation.opencv_resize import resize

STORED = Path(__file__).parent.parent / "data" / "opencv-resize.npz"


@pytest.mark.parametrize("number", range(10))
def test_resizing_is_what_opencv_made(number):
    with np.load(STORED) as stored:
        small, large = stored[f"map{number}"], stored[f"resized{number}"]
    np.testing.assert_array_equal(resize(small, large.shape), large)


def test_resizing_is_what_opencv_makes():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    for _ in range(200):
        small = rng.integers(0, 256, rng.integers(1, 40, 2)).astype(np.uint8)
        height, width = (int(n) for n in rng.integers(1, 600, 2))
        want = cv2.resize(small, (width, height)).reshape(height, width)
        np.testing.assert_array_equal(resize(small, (height, width)), want)


def test_the_size_of_the_map_itself_changes_nothing():
    cells = np.random.default_rng(1).integers(0, 256, (5, 7)).astype(np.uint8)
    np.testing.assert_array_equal(resize(cells, (5, 7)), cells)
