"""Pictures as people have them: with odd metadata, depths, profiles, orientations and formats."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

ORIENTED_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """Return an image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def scene(height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    """Return a picture whose corners differ: red, green, blue and white quarters."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2, 0] = 255
    pixels[: height // 2, width // 2 :, 1] = 255
    pixels[height // 2 :, : width // 2, 2] = 255
    pixels[height // 2 :, width // 2 :] = 255
    return pixels


def corners(pixels: npt.NDArray[np.uint8]) -> str:
    """Return the colours of the quarters of `scene`, clockwise from the upper left: "rgwb"."""
    height, width = pixels.shape[:2]
    places = [(1, 1), (1, 3), (3, 3), (3, 1)]
    middles = [pixels[height * y // 4, width * x // 4] > 127 for y, x in places]
    names = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w"}
    return "".join(names.get(tuple(int(v) for v in m), "?") for m in middles)


def large_jpeg(width: int = 9280, height: int = 6944, **options: object) -> bytes:
    """Return a photo of 64 million pixels: the quarters of `scene`."""
    quarters = Image.fromarray(scene(2, 2))
    return encode(quarters.resize((width, height), Image.Resampling.NEAREST), "JPEG", **options)


# Metadata ----------------------------------------------------------------------------------------


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG file."""
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png_with(chunk: bytes, pixels: npt.NDArray[np.uint8] | None = None) -> bytes:
    """Return a PNG of `scene` with a further chunk before its pixels."""
    data = encode(Image.fromarray(scene() if pixels is None else pixels))
    return data[:33] + chunk + data[33:]  # after the signature and the header


def png_texts() -> dict[str, bytes]:
    """Return PNG files with metadata that a browser skips, by what they hold."""
    long = zlib.compress(b"0" * 3_000_000)
    return {
        "zTXt": png_with(png_chunk(b"zTXt", b"Comment\0\0" + long)),
        "iTXt": png_with(png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + long)),
        "tEXt": png_with(png_chunk(b"tEXt", b"Comment\0" + b"0" * 3_000_000)),
        "iCCP": png_with(png_chunk(b"iCCP", b"long\0\0" + long)),
        "damaged iCCP": png_with(png_chunk(b"iCCP", b"bad\0\0" + b"no zlib data")),
        "damaged zTXt": png_with(png_chunk(b"zTXt", b"Comment\0\0" + b"no zlib data")),
        "damaged eXIf": png_with(png_chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff")),
        "short gAMA": png_with(png_chunk(b"gAMA", b"\0")),
        "short pHYs": png_with(png_chunk(b"pHYs", b"\0")),
    }


def exif(orientation: object, *entries: bytes) -> bytes:
    """Return EXIF data with an orientation and further entries of 12 bytes each."""
    first = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    directory = struct.pack(">H", 1 + len(entries)) + first + b"".join(entries) + b"\0\0\0\0"
    return b"Exif\0\0MM\0*\0\0\0\x08" + directory


def bad_exif(orientation: int = 6) -> bytes:
    """Return EXIF data whose entries have wrong types, counts and places, and an orientation."""
    return exif(
        orientation,
        struct.pack(">HHI4s", 0x011A, 2, 4, b"abc\0"),  # the resolution as text
        struct.pack(">HHII", 0x8769, 4, 1, 0xFFFFFF00),  # a directory beyond the end
        struct.pack(">HHII", 0x8825, 2, 4, 0x61626300),  # the place as text
        struct.pack(">HHII", 0x9286, 99, 0xFFFFFFFF, 7),  # no such type
    )


def oriented(orientation: int, form: str = "JPEG") -> bytes:
    """Return `scene`, which is upright as stored, with this orientation in its metadata."""
    data = Image.Exif()
    data[0x0112] = orientation
    options = {"quality": 95} if form in ("JPEG", "WEBP", "AVIF") else {}
    return encode(Image.fromarray(scene()), form, exif=data, **options)


# Depth -------------------------------------------------------------------------------------------


def deep_grey(low: int = 0, high: int = 4095, form: str = "PNG") -> bytes:
    """Return a ramp of 64 grey values from `low` to `high` in 16 bits, eight rows of it."""
    ramp = np.linspace(low, high, 64).round().astype(np.uint16)
    return encode(Image.fromarray(np.tile(ramp, (8, 1))), form)


def real_grey() -> bytes:
    """Return a TIFF of reals from -3 to 9 that also holds infinities and no numbers."""
    values = np.linspace(-3, 9, 256, dtype=np.float32).reshape(16, 16)
    values[0, 1], values[0, 2], values[0, 3] = np.nan, np.inf, -np.inf
    return encode(Image.fromarray(values), "TIFF")


def grey_bomb(width: int = 8000, height: int = 8000) -> bytes:
    """Return a small PNG of 64 million pixels in 16 bit grey, a ramp from left to right."""
    packer, parts = zlib.compressobj(6), []
    row = b"\0" + np.linspace(100, 4000, width).astype(">u2").tobytes()
    for _ in range(height):
        parts.append(packer.compress(row))
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    body = png_chunk(b"IDAT", b"".join([*parts, packer.flush()]))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body + png_chunk(b"IEND", b"")


def png_claiming(width: int, height: int) -> bytes:
    """Return a PNG that only claims to be this large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = png_chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + data + png_chunk(b"IEND", b"")


# Colour ------------------------------------------------------------------------------------------

# Red, green and blue in XYZ under D50, and the exponent of the levels.
_PRIMARIES = {
    "Display P3": (
        ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)),
        None,
    ),
    "Adobe RGB (1998)": (
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
        2.19921875,
    ),
    "sRGB": (
        ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)),
        None,
    ),
}


def profile(name: str) -> bytes:
    """Return an ICC profile: "Display P3", "Adobe RGB (1998)" or "sRGB"."""
    primaries, exponent = _PRIMARIES[name]
    tags = {b"desc": _text(name), b"cprt": _text("none"), b"wtpt": _xyz((0.9642, 1, 0.82491))}
    for colour, xyz in zip(b"rgb", primaries, strict=True):
        tags[bytes([colour]) + b"XYZ"] = _xyz(xyz)
        tags[bytes([colour]) + b"TRC"] = _levels(exponent)
    return _profile_file(b"RGB ", tags)


def levels_in(name: str, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the levels by which the profile `name` stores the sRGB colours (H, W, 3)."""
    levels = pixels / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    primaries, exponent = _PRIMARIES[name]
    light = (light @ _PRIMARIES["sRGB"][0] @ np.linalg.inv(primaries)).clip(0, 1)
    if exponent is None:
        stored = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    else:
        stored = light ** (1 / exponent)
    return (stored * 255).round().astype(np.uint8)


def grey_profile(exponent: float = 1.0) -> bytes:
    """Return an ICC profile of grey levels with an exponent; 1 is linear light."""
    tags = {b"desc": _text("Linear grey"), b"cprt": _text("none"), b"kTRC": _levels(exponent)}
    return _profile_file(b"GRAY", {**tags, b"wtpt": _xyz((0.9642, 1, 0.82491))})


def _profile_file(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        padded = data + b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += padded
    head = struct.pack(
        ">I4sI4s4s4s", at + len(body), b"\0" * 4, 0x04200000, b"mntr", space, b"XYZ "
    )
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    head += _numbers((0.9642, 1, 0.82491))
    return head.ljust(128, b"\0") + table + body


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII2s2sII", 1, 12, b"en", b"US", len(data), 28) + data


def _numbers(values: tuple[float, ...]) -> bytes:
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + _numbers(values)


def _levels(exponent: float | None) -> bytes:
    """Return a curve: of an exponent, or that of sRGB for None."""
    if exponent is not None:
        return b"para\0\0\0\0\0\0\0\0" + _numbers((exponent,))
    srgb = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para\0\0\0\0\0\3\0\0" + _numbers(srgb)


# Formats -----------------------------------------------------------------------------------------


def ycbcr_tiff(compression: str | None = None) -> bytes:
    """Return `scene` as a TIFF in YCbCr: None, "tiff_lzw", "jpeg"."""
    image = Image.fromarray(scene()).convert("YCbCr")
    return encode(image, "TIFF", compression=compression)


def tiff(bits: int, photometric: int, values: npt.NDArray, sign: int = 1) -> bytes:
    """Return an uncompressed TIFF of (H, W) or (H, W, 3) values, stored as they are.

    Args:
        bits: of each sample.
        photometric: 0 counts from white, 1 from black, 2 is RGB, 6 YCbCr, 34892 a raw photo.
        sign: 1 for unsigned, 2 for signed, 3 for real numbers.
    """
    height, width, bands = (*values.shape, 1)[:3]
    data = values.tobytes()
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 8)]
    tags += [(277, bands), (278, height), (279, len(data)), (339, sign)]
    entries, further = b"", b""
    start = 8 + len(data) + 2 + 12 * len(tags) + 4
    for tag, value in tags:
        if tag in (258, 339) and bands > 1:
            entries += struct.pack("<HHII", tag, 3, bands, start + len(further))
            further += struct.pack(f"<{bands}H", *[value] * bands)
        else:
            entries += struct.pack("<HHII", tag, 4, 1, value)
    directory = struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + further


def tiff_of_8_bit_palette() -> bytes:
    """Return `scene` as a TIFF whose palette has levels up to 255, where 65535 is usual."""
    data = bytearray(encode(Image.fromarray(scene()).convert("P"), "TIFF"))
    entry = data.index(struct.pack("<HHI", 320, 3, 768))
    place = struct.unpack_from("<I", data, entry + 8)[0]
    levels = struct.unpack_from("<768H", data, place)
    struct.pack_into("<768H", data, place, *(level // 256 for level in levels))
    return bytes(data)


def pnm(kind: int, white: int = 255, height: int = 48, width: int = 64) -> bytes:
    """Return `scene` as PBM (1, 4), PGM (2, 5) or PPM (3, 6) with `white` as its largest value."""
    pixels = scene(height, width).astype(np.uint32)
    values = (pixels if kind in (3, 6) else pixels.mean(-1, keepdims=True)) / 255
    if kind in (1, 4):
        bits = (values[..., 0] < 0.5).astype(np.uint8)
        body = np.packbits(bits, 1).tobytes() if kind == 4 else _as_text(bits)
        return b"P%d\n# comment\n%d %d\n" % (kind, width, height) + body
    levels = (values * white).round().astype(">u2" if white > 255 else np.uint8)
    body = levels.tobytes() if kind > 3 else _as_text(levels)
    return b"P%d\n# a comment\n%d %d\n%d\n" % (kind, width, height, white) + body


def _as_text(values: npt.NDArray) -> bytes:
    return "\n".join(" ".join(map(str, row.ravel())) for row in values).encode()


def heic(pixels: npt.NDArray[np.uint8] | None = None, **options: object) -> bytes:
    """Return a HEIC photo as iPhones write it; needs pillow-heif."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return encode(Image.fromarray(scene() if pixels is None else pixels), "HEIF", **options)


def heic_start() -> bytes:
    """Return the first bytes of a HEIC photo, by which it is recognised."""
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100
