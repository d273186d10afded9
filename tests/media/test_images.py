"""Every kind of file a person may hand over: taken in faithfully, or refused in clear words."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainer.errors import ImageError
from explainer.media.images import fit, open_image
from tests import tiny


def _file(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def _picture(height: int = 20, width: int = 30) -> Image.Image:
    return Image.fromarray(tiny.image(height, width))


def _png_header(width: int, height: int) -> bytes:
    """A PNG that only claims to be this large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


# Taken in ----------------------------------------------------------------------------------------


def test_path_bytes_pil_and_array_give_the_same_pixels(tmp_path):
    data = _file(_picture())
    (tmp_path / "a.png").write_bytes(data)
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), data, _picture(), tiny.image(20, 30)]
    for source in sources:
        pixels, notes = open_image(source)
        assert np.array_equal(pixels, tiny.image(20, 30))
        assert pixels.dtype == np.uint8
        assert notes == ()


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_common_formats(form):
    assert open_image(_file(_picture(), form)).pixels.shape == (20, 30, 3)


def test_cmyk_becomes_rgb_and_is_said():
    cmyk = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    pixels, notes = open_image(_file(cmyk, "TIFF"))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert "CMYK" in notes[0]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(form):
    grey = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    pixels, notes = open_image(_file(Image.fromarray(grey), form))
    assert np.array_equal(pixels[..., 0].ravel(), np.arange(256))
    assert "8 bit" in notes[0]


def test_grey_of_other_depths_keeps_its_order():
    real = np.linspace(-3, 9, 64, dtype=np.float32).reshape(8, 8)
    pixels, _ = open_image(_file(Image.fromarray(real), "TIFF"))
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, -1, 0] == 255
    assert np.all(np.diff(pixels[..., 0].ravel().astype(int)) >= 0)
    flat, _ = open_image(_file(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"))
    assert np.all(flat == 128)


def test_transparent_parts_are_shown_on_white_and_said():
    rgba = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    rgba.putpixel((0, 0), (255, 0, 0, 255))
    pixels, notes = open_image(_file(rgba))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[3, 3].tolist() == [255, 255, 255]
    assert "white" in notes[0]


def test_a_palette_with_a_transparent_colour():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 255, 255, 0, 0])
    palette.putpixel((0, 0), 0)
    pixels, notes = open_image(_file(palette, transparency=1))
    assert pixels[0, 0].tolist() == [0, 0, 255]
    assert pixels[3, 3].tolist() == [255, 255, 255]
    assert "white" in notes[0]


def test_an_opaque_alpha_channel_is_not_worth_a_word():
    assert open_image(_file(_picture().convert("RGBA"))).notes == ()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "YCbCr", "HSV", "LAB", "CMYK", "RGBa"])
def test_other_modes(mode):
    assert open_image(Image.new(mode, (30, 20))).pixels.shape == (20, 30, 3)


def test_exif_rotation_is_applied_and_said():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to view
    half = np.zeros((20, 30, 3), np.uint8)
    half[:, :15] = 255  # the left half is bright: upright, the upper half
    pixels, notes = open_image(_file(Image.fromarray(half), "JPEG", exif=exif, quality=95))
    assert pixels.shape == (30, 20, 3)
    assert pixels[:12].min() > 200
    assert pixels[18:].max() < 50
    assert "upright" in notes[0]


def test_the_first_frame_of_an_animation_is_used_and_said():
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue", "green")]
    data = _file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    pixels, notes = open_image(data)
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert "first" in notes[0]


@pytest.mark.parametrize(
    ("array", "value"),
    [
        (np.full((4, 5), 128, np.uint8), 128),
        (np.full((4, 5, 1), 128, np.uint8), 128),
        (np.full((4, 5, 3), 32896, np.uint16), 128),
        (np.ones((4, 5), bool), 255),
        (np.full((4, 5, 3), 0.5), 128),
    ],
)
def test_arrays_of_other_types(array, value):
    pixels = open_image(array).pixels
    assert pixels.shape == (4, 5, 3)
    assert np.all(pixels == value)


def test_the_result_does_not_share_memory_with_the_source():
    array = tiny.image()
    pixels = open_image(array).pixels
    pixels[:] = 0
    assert array.any()


# Refused -----------------------------------------------------------------------------------------


def _truncated(form: str) -> bytes:
    data = _file(_picture(200, 200), form)
    return data[: len(data) // 2]


REFUSED = {
    "empty": (b"", "not a picture"),
    "text": (b"hello, I am text", "not a picture"),
    "truncated jpeg": (_truncated("JPEG"), "damaged"),
    "truncated png": (_truncated("PNG"), "damaged"),
    "only the start": (_file(_picture())[:20], "not a picture|damaged"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG.*PNG"),
    "svg with a prolog": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>", "SVG.*PNG"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    "pdf": (b"%PDF-1.4\n", "not a picture"),
    "strip": (_file(_picture(3, 10000)), "too thin.*10000x3"),
    "bomb": (_png_header(20000, 20000), "too large"),
    "large": (_png_header(9000, 9000), "too large.*9000x9000"),
    "damaged pixels": (_png_header(64, 64), "damaged"),
    "address": ("https://example.org/a.png", "download"),
    "no such file": ("/nowhere/at/all.png", "no such picture"),
    "nothing": (None, "NoneType"),
    "wrong shape": (np.zeros((4, 5, 2), np.uint8), r"\(4, 5, 2\)"),
    "four axes": (np.zeros((1, 4, 5, 3), np.uint8), "must be"),
    "no pixels": (np.zeros((0, 5, 3), np.uint8), "no pixels"),
    "out of range": (np.full((4, 4), 7.0), "float in"),
    "not a number": (np.full((4, 4), np.nan), "float in"),
    "signed": (np.zeros((4, 4), np.int64), "int64"),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_with_advice(name):
    source, words = REFUSED[name]
    with pytest.raises(ImageError, match=words):
        open_image(source)


def test_text_named_png_is_refused_by_name(tmp_path: Path):
    (tmp_path / "cat.png").write_text("not a cat")
    with pytest.raises(ImageError, match=r"cat\.png is not a picture"):
        open_image(tmp_path / "cat.png")


# Odd sizes, all the way through a model ----------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 100), (100, 1), (7, 5), (10, 1000)])
def test_odd_sizes_can_be_recorded(qwen, size):
    run = qwen.record(tiny.image(*size), "a cat", max_new_tokens=1)
    assert run.image.shape[:2] == size
    for scale in run.scales:
        assert scale.views[0].rects[0, :2].tolist() == [0, 0]
        assert scale.views[0].rects[-1, 2:].tolist() == [size[1], size[0]]


def test_fit_keeps_small_pictures_and_bounds_large_ones():
    small = tiny.image(50, 60)
    assert fit(small) is small
    assert fit(tiny.image(300, 1500), 1024).shape == (205, 1024, 3)
    assert fit(tiny.image(15, 1500), 100).shape == (1, 100, 3)


@pytest.mark.parametrize("progressive", [True, False])
def test_a_jpeg_without_samples_is_called_damaged(progressive):
    buffer = io.BytesIO()
    Image.new("RGB", (24, 24), "red").save(buffer, "JPEG", progressive=progressive)
    data = bytearray(buffer.getvalue())
    frame = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    for component in range(data[frame + 9]):
        data[frame + 11 + 3 * component] = 0  # samples across and down
    with pytest.raises(ImageError, match="damaged"):
        open_image(bytes(data))
