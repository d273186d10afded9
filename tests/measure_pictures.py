"""How much memory and time reading a large picture takes.

python -m tests.measure_pictures           the largest of each format that is let in
python -m tests.measure_pictures FILE      one file: MB above idle, seconds, size, notes
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms  # noqa: F401  (loaded before anything is measured)

from explainer.media.images import open_image
from tests.inputs import pictures


def main() -> None:
    if len(sys.argv) > 1:
        print(measure(Path(sys.argv[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, data in largest():
            path = Path(folder) / name
            path.write_bytes(data)
            line = [sys.executable, "-m", "tests.measure_pictures", str(path)]
            result = subprocess.run(line, capture_output=True, text=True, check=False)
            print(f"{name}: {(result.stdout or result.stderr.splitlines()[-1]).strip()}")
            path.unlink()


def measure(path: Path) -> str:
    """Return what reading a file takes: memory above what the process had before."""
    open_image(np.zeros((8, 8), np.uint8))
    before = _memory("VmRSS:")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    start = time.perf_counter()
    pixels, notes = open_image(path)
    seconds = time.perf_counter() - start
    peak = _memory("VmHWM:")
    shape = "x".join(map(str, pixels.shape[1::-1]))
    return f"{(peak - before) / 1e6:.0f} MB, {seconds:.1f} s, {shape}: {' '.join(notes)}"


def _memory(line: str) -> int:
    """Return the resident memory of this process in bytes: "VmRSS:" now, "VmHWM:" at most."""
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(status.partition(line)[2].split()[0])


def largest() -> Iterator[tuple[str, bytes]]:
    """Yield files near the limits of each format."""
    yield "grey16.png", pictures.grey_bomb()
    scene = Image.fromarray(pictures.scene(2, 2))

    def sized(width: int, height: int, mode: str = "RGB") -> Image.Image:
        return scene.resize((width, height), Image.Resampling.NEAREST).convert(mode)

    for mode in ("RGB", "RGBA", "P"):
        yield f"{mode}.png", pictures.encode(sized(8000, 8000, mode), "PNG", compress_level=1)
    real = Image.fromarray(np.zeros((8000, 8000), np.float32))
    yield "real.tiff", pictures.encode(real, "TIFF", compression="tiff_lzw")
    yield "rgb.tiff", pictures.encode(sized(8000, 8000), "TIFF", compression="tiff_lzw")
    yield "cmyk.tiff", pictures.encode(sized(8000, 8000, "CMYK"), "TIFF", compression="tiff_lzw")
    yield "64mp.jpg", pictures.large_jpeg()
    yield "200mp.jpg", pictures.large_jpeg(16320, 12240)
    yield "progressive.jpg", pictures.large_jpeg(7000, 5000, progressive=True, subsampling=0)
    yield "16mp.webp", pictures.encode(sized(4000, 4000), "WEBP", method=0)
    yield "26mp.avif", pictures.encode(sized(5200, 5000), "AVIF", speed=10)
    yield "64mp.jp2", pictures.encode(sized(8000, 8000), "JPEG2000")
    yield "64mp.gif", pictures.encode(sized(8000, 8000, "P"), "GIF")
    yield "16mp.ppm", pictures.pnm(6, 4095, 4000, 4000)
    yield "8mp-text.ppm", pictures.pnm(3, 255, 2000, 4000)
    yield "32mp.heic", pictures.heic(np.asarray(sized(6400, 5000)))


if __name__ == "__main__":
    main()
