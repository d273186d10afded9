"""Convert HLG and PQ video to standard dynamic range, so that it does not look washed out.

Formulas are those of ITU-R BT.2100. Diffuse white, 203 cd/m2 as in BT.2408, becomes nearly white;
brighter light is compressed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Light = npt.NDArray[np.floating]

_WHITE = 203.0  # cd/m2
_PEAK = 1000.0  # cd/m2 of the screen that HLG is defined for
_KNEE = 0.8  # of diffuse white, above which light is compressed
_LUMA = np.array([0.2627, 0.678, 0.0593], np.float32)  # of BT.2020
_TO_SRGB = np.array(  # from the primaries of BT.2020 to those of BT.709
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
_ROWS = 64  # converted together


class Transfer(NamedTuple):
    """A transfer function: from signal in 0..1 to light in cd/m2."""

    name: str
    light: Callable[[Light], Light]

    def to_sdr(self, signal: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
        """Convert (H, W, 3) of 16 bits in BT.2020 to sRGB of 8 bits."""
        result = np.empty(signal.shape, np.uint8)
        for top in range(0, len(signal), _ROWS):
            part = signal[top : top + _ROWS].astype(np.float32) / 65535
            result[top : top + _ROWS] = _srgb(self.light(part) / _WHITE)
        return result


def _hlg(signal: Light) -> Light:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = np.maximum(scene @ _LUMA, 1e-6)[..., None]
    return _PEAK * luma**0.2 * scene


def _pq(signal: Light) -> Light:
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    return 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _srgb(light: Light) -> npt.NDArray[np.uint8]:
    """Return light, 1 for diffuse white, as sRGB; all channels are scaled alike, to keep hues."""
    brightest = np.maximum(light.max(-1, keepdims=True), 1e-6)
    over = np.maximum(brightest - _KNEE, 0)
    room = 1 - _KNEE
    compressed = np.minimum(brightest, _KNEE) + room * over / (over + room)
    linear = ((light * (compressed / brightest)) @ _TO_SRGB.T).clip(0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * coded).astype(np.uint8)


TRANSFERS = {16: Transfer("PQ", _pq), 18: Transfer("HLG", _hlg)}  # by FFmpeg's AVCOL_TRC
