"""Pictures as people have them: read with the right values, and a note on what was changed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from explainer.errors import ImageError
from explainer.media.images import open_image, read_header
from tests.inputs import pictures

WORDS_OF_TURN = "It was turned upright as its EXIF data say."

# What `scene` looks like, clockwise from the upper left, once it is upright.
UPRIGHT = {1: "rgwb", 2: "grbw", 3: "wbrg", 4: "bwgr", 5: "rbwg", 6: "brgw", 7: "wgrb", 8: "gwbr"}


# Metadata ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(pictures.png_texts()))
def test_metadata_of_a_png_never_refuse_it(kind):
    pixels, _ = open_image(pictures.png_texts()[kind])
    assert np.array_equal(pixels, pictures.scene())


def test_wrong_types_in_exif_leave_the_picture_and_its_orientation():
    data = pictures.encode(
        Image.fromarray(pictures.scene()), "JPEG", quality=95, exif=pictures.bad_exif(6)
    )
    pixels, notes = open_image(data)
    assert pixels.shape == (64, 48, 3)
    assert pictures.corners(pixels) == UPRIGHT[6]
    assert notes == (WORDS_OF_TURN,)


@pytest.mark.parametrize("form", pictures.ORIENTED_FORMATS)
@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
def test_every_orientation_of_every_format_is_turned_upright(orientation, form):
    data = pictures.oriented(orientation, form)
    pixels, notes = open_image(data)
    assert pictures.corners(pixels) == UPRIGHT[orientation]
    assert notes == ((WORDS_OF_TURN,) if orientation > 1 else ())
    assert read_header(data) == (64, 48, orientation)
    as_stored, notes = open_image(data, upright=False)
    assert pictures.corners(as_stored) == "rgwb"
    assert notes == ()


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
@pytest.mark.parametrize("form", pictures.ORIENTED_FORMATS)
def test_an_orientation_that_does_not_exist_turns_nothing(orientation, form):
    pixels, notes = open_image(pictures.oriented(orientation, form))
    assert pictures.corners(pixels) == "rgwb"
    assert notes == ()


# Depth -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize(("low", "high"), [(0, 4095), (0, 1023), (400, 8000), (0, 65535)])
def test_deep_grey_is_stretched_by_its_own_range(low, high, form):
    pixels, notes = open_image(pictures.deep_grey(low, high, form))
    ramp = np.linspace(low, high, 64).round()
    want = np.round((ramp - low) / (high - low) * 255)
    assert np.array_equal(pixels[3, :, 1], want)
    assert notes == (f"Its grey values from {low} to {high} were stretched to 8 bits (0 to 255).",)


def test_a_deep_array_is_read_as_the_same_file():
    values = np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (8, 1))
    pixels, notes = open_image(values)
    assert pixels[0, 0, 0] == 0
    assert pixels[0, -1, 0] == 255
    assert "from 0 to 4095" in notes[0]


def test_values_that_are_not_finite_take_no_part_in_the_range():
    pixels, notes = open_image(pictures.real_grey())
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, -1, 0] == 255
    assert np.all(pixels[0, 1:4] == 0)
    assert pixels[8, 0, 0] == round(255 * 128 / 255)
    assert notes == (
        "Its grey values from -3 to 9 were stretched to 8 bits (0 to 255).",
        "3 of its pixels are not finite numbers and are shown black.",
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, -3e38])
def test_one_extreme_value_everywhere_is_a_flat_picture(value):
    data = pictures.encode(Image.fromarray(np.full((16, 16), value, np.float32)), "TIFF")
    pixels, notes = open_image(data)
    assert np.ptp(pixels) == 0
    assert any("same colour" in note for note in notes)


def test_the_whole_range_of_reals_is_stretched():
    values = np.tile(np.linspace(-3e38, 3e38, 16).astype(np.float32), (16, 1))
    pixels, _ = open_image(pictures.encode(Image.fromarray(values), "TIFF"))
    assert pixels[0, [0, -1], 0].tolist() == [0, 255]


def test_a_tiff_that_counts_from_white_is_not_a_negative():
    ramp = np.tile(np.linspace(0, 4095, 64).round().astype("<u2"), (8, 1))
    pixels, _ = open_image(pictures.tiff(16, 0, ramp))
    assert pixels[0, [0, -1], 0].tolist() == [255, 0]


@pytest.mark.parametrize(("low", "high", "sign"), [(0, 4_000_000_000, 1), (-5, 9, 2)])
def test_whole_numbers_of_32_bits_keep_their_sign(low, high, sign):
    kind = "<u4" if sign == 1 else "<i4"
    ramp = np.tile(np.linspace(low, high, 64).round().astype(kind), (8, 1))
    pixels, notes = open_image(pictures.tiff(32, 1, ramp, sign))
    assert pixels[0, [0, -1], 0].tolist() == [0, 255]
    assert np.all(np.diff(pixels[0, :, 0].astype(int)) >= 0)
    assert f"from {low:g} to {high:g}" in notes[0]


def test_nearly_black_and_flat_pictures_are_said():
    dark = pictures.scene() // 10
    assert open_image(dark).notes == ("It is nearly black; brighten it if that is not meant.",)
    flat = np.full((16, 16, 3), 90, np.uint8)
    assert open_image(flat).notes == (
        "All of it has nearly the same colour, so there is little to see.",
    )
    lamp = np.zeros((100, 100, 3), np.uint8)
    lamp[:20, :20] = 255
    assert open_image(lamp).notes == ()


# Colour ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stored", "seen"),
    [
        ("Display P3", (234, 51, 35), (255, 0, 0)),
        ("Display P3", (117, 251, 76), (0, 255, 0)),
        ("Adobe RGB (1998)", (219, 0, 0), (255, 0, 0)),
        ("Adobe RGB (1998)", (144, 255, 60), (0, 255, 0)),
    ],
)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_colours_of_a_profile_become_srgb(name, stored, seen, form):
    image = Image.new("RGB", (32, 32), stored)
    image.paste((255, 255, 255), (0, 0, 16, 32))
    options = {} if form in ("PNG", "TIFF") else {"quality": 100}
    data = pictures.encode(image, form, icc_profile=pictures.profile(name), **options)
    pixels, notes = open_image(data)
    assert pixels[16, 24].astype(int) == pytest.approx(seen, abs=16 if options else 3)
    assert pixels[16, 4].astype(int) == pytest.approx((255, 255, 255), abs=2)
    assert notes == (f'Its colours were converted from its profile "{name}" to sRGB.',)


@pytest.mark.parametrize("name", ["Display P3", "Adobe RGB (1998)"])
def test_middle_tones_of_a_profile_become_srgb(name):
    levels = np.arange(40, 216, 35, dtype=np.uint8)
    seen = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(12, 18, 3)
    stored = pictures.levels_in(name, seen)
    assert np.abs(stored.astype(int) - seen).max() > 20, "without the profile they look different"
    data = pictures.encode(Image.fromarray(stored), icc_profile=pictures.profile(name))
    pixels, _ = open_image(data)
    assert np.abs(pixels.astype(int) - seen).max() <= 2


def test_a_profile_that_says_srgb_changes_nothing():
    data = pictures.encode(Image.fromarray(pictures.scene()), icc_profile=pictures.profile("sRGB"))
    pixels, notes = open_image(data)
    assert np.array_equal(pixels, pictures.scene())
    assert notes == ()


def test_a_profile_of_grey_is_used_for_grey():
    image = Image.new("L", (32, 32), 55)
    image.paste(255, (0, 0, 16, 32))
    data = pictures.encode(image, icc_profile=pictures.grey_profile())
    pixels, notes = open_image(data)
    assert pixels[16, 24].astype(int) == pytest.approx([128] * 3, abs=2)  # linear 55 of 255
    assert "Linear grey" in notes[0]


@pytest.mark.parametrize(
    "data",
    [b"no profile", b"\0" * 9_000_000, pictures.grey_profile(), pictures.profile("sRGB")[:200]],
)
def test_a_profile_that_cannot_be_used_is_said_and_left_out(data):
    pixels, notes = open_image(
        pictures.encode(Image.fromarray(pictures.scene()), "TIFF", icc_profile=data)
    )
    assert np.array_equal(pixels, pictures.scene())
    assert notes == ("Its colour profile cannot be used; its colours are taken as sRGB.",)


# Formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_a_tiff_in_ycbcr_is_read(compression):
    pixels, notes = open_image(pictures.ycbcr_tiff(compression))
    assert pictures.corners(pixels) == "rgwb"
    assert np.abs(pixels.astype(int) - pictures.scene())[4:20, 4:28].max() <= 4
    assert notes == ()


def test_a_tiff_palette_of_8_bits_keeps_its_colours():
    pixels, notes = open_image(pictures.tiff_of_8_bit_palette())
    assert pictures.corners(pixels) == "rgwb"
    assert notes == ()


@pytest.mark.parametrize(
    ("bits", "photometric", "values"),
    [
        (64, 1, np.zeros((9, 9), "<f8")),
        (32, 2, np.zeros((9, 9, 3), "<f4")),
        (8, 34892, np.zeros((9, 9), np.uint8)),
    ],
)
def test_a_sound_tiff_that_is_not_read_is_not_called_damaged(bits, photometric, values):
    with pytest.raises(ImageError, match=r"stores its pixels in a way that is not read; save it"):
        open_image(pictures.tiff(bits, photometric, values, 3 if bits > 8 else 1))


def test_jpeg_2000_is_read_and_scaled_while_decoding():
    image = Image.fromarray(pictures.scene())
    pixels, notes = open_image(pictures.encode(image, "JPEG2000"))
    assert np.array_equal(pixels, pictures.scene())
    assert notes == ()
    large = image.resize((1700, 1300), Image.Resampling.NEAREST)
    pixels, notes = open_image(pictures.encode(large, "JPEG2000"), 200)
    assert pixels.shape == (153, 200, 3)
    assert pictures.corners(pixels) == "rgwb"
    assert notes == ("It was scaled down from 1700x1300 to 200x153 pixels.",)


@pytest.mark.parametrize(("kind", "white"), [(3, 255), (3, 1023), (6, 255), (6, 200), (6, 65535)])
def test_ppm_of_every_depth_is_read(kind, white):
    pixels, _ = open_image(pictures.pnm(kind, white))
    assert np.array_equal(pixels, pictures.scene())


@pytest.mark.parametrize(("kind", "white"), [(2, 255), (5, 255), (5, 200), (5, 4095), (2, 65535)])
def test_pgm_of_every_depth_is_read(kind, white):
    pixels, notes = open_image(pictures.pnm(kind, white))
    dark, light = (0, 255) if white > 255 else (85, 255)
    assert pixels[4, 4].tolist() == pytest.approx([dark] * 3, abs=1)
    assert pixels[-4, -4].tolist() == [light] * 3
    assert bool(notes) == (white > 255)


@pytest.mark.parametrize("kind", [1, 4])
def test_pbm_is_read(kind):
    pixels, _ = open_image(pictures.pnm(kind))
    assert pixels[4, 4, 0] == 0
    assert pixels[-4, -4, 0] == 255


@pytest.mark.parametrize(
    "data", [b"P3\n2 2\n255\n1 2 3", b"P6\n2 2\n9\nab", b"P6\n9 9\n0\n" + b"a" * 300]
)
def test_a_ppm_that_is_cut_off_is_damaged(data):
    with pytest.raises(ImageError, match="damaged or cut off"):
        open_image(data)


def test_heic_is_read_upright_and_with_its_profile():
    pytest.importorskip("pillow_heif")
    options = {"quality": 95, "icc_profile": pictures.profile("Display P3")}
    pixels = pictures.scene()
    pixels[pixels == 0] = 60
    data = pictures.heic(pixels, exif=pictures.exif(6)[6:], **options)
    pixels, notes = open_image(data)
    assert pixels.shape == (64, 48, 3)
    assert pictures.corners(pixels) == UPRIGHT[6]
    said = 'Its colours were converted from its profile "Display P3" to sRGB.'
    assert notes == (said, WORDS_OF_TURN)


def test_without_its_library_heic_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "x.heic").write_bytes(pictures.heic_start())
    with pytest.raises(ImageError, match=r'^x\.heic is a HEIC photo.*"pip install pillow-heif"'):
        open_image(tmp_path / "x.heic")


def test_damage_behind_the_first_frame_of_a_gif_does_not_matter():
    image = Image.fromarray(pictures.scene())
    data = pictures.encode(image, "GIF")
    pixels, notes = open_image(data[:-1] + b",")  # a second frame that is not there
    assert pictures.corners(pixels) == "rgwb"
    assert notes == ()


def test_names_stay_as_they_are(tmp_path):
    (tmp_path / "xY.HEIC").write_text("no photo")
    with pytest.raises(ImageError, match=r"^xY\.HEIC is not a picture"):
        open_image(tmp_path / "xY.HEIC")


def test_a_folder_is_called_a_folder(tmp_path):
    with pytest.raises(ImageError, match=f"^{tmp_path} is a folder; name a picture in it$"):
        open_image(tmp_path)


def test_a_picture_from_a_pipe_is_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = pictures.encode(Image.fromarray(pictures.scene()))
    writer = threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True)
    writer.start()
    assert np.array_equal(open_image(pipe).pixels, pictures.scene())
    writer.join(5)


@pytest.mark.parametrize("name", ["/dev/zero", "a" * 300, "nul\0l", "/etc/passwd/x"])
def test_paths_that_name_no_file_are_refused(name):
    with pytest.raises(ImageError, match=r"no such picture|cannot be opened"):
        open_image(name)


# Size --------------------------------------------------------------------------------------------


def test_a_photo_of_64_million_pixels_is_scaled_while_decoding():
    pixels, notes = open_image(pictures.large_jpeg())
    assert pixels.shape == (766, 1024, 3)
    assert pictures.corners(pixels) == "rgwb"
    assert notes == ("It was scaled down from 9280x6944 to 1024x766 pixels.",)


def test_scaling_keeps_every_part_at_its_place():
    ramp = np.tile(np.linspace(0, 255, 6001).astype(np.uint8), (61, 1))
    pixels, _ = open_image(ramp, 100)
    want = (np.arange(100) + 0.5) / 100 * 255
    assert np.abs(pixels[0, :, 0] - want).max() < 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "F"])
def test_strips_and_blocks_give_what_resampling_the_whole_gives(mode):
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (9, 13, 3), np.uint8)).resize((3000, 2100))
    if mode in ("I;16", "F"):
        grey = np.asarray(smooth.convert("L")).astype(np.uint16 if mode == "I;16" else np.float32)
        image = Image.fromarray(grey)
        low, high = int(grey.min()), int(grey.max())
        whole = (grey.astype(float) - low) / (high - low) * 255
        want = Image.fromarray(whole.round().astype(np.uint8)).convert("RGB")
    else:
        image = smooth.convert(mode)
        want = image.convert("RGB")
    got = open_image(image, 100).pixels
    want = np.asarray(want.resize((100, 70), Image.Resampling.LANCZOS))
    assert np.abs(got.astype(int) - want).max() <= (12 if mode in "1P" else 3)


@pytest.mark.parametrize(
    ("form", "size"), [("PNG", (9000, 9000)), ("WEBP", (5000, 4000)), ("PNG", (20000, 20000))]
)
def test_what_would_take_too_much_memory_is_refused_before_it_is_decoded(form, size):
    if form == "PNG":
        data = pictures.png_claiming(*size)
    else:
        data = pictures.encode(Image.new("RGB", size), form, quality=1, method=0)
    with pytest.raises(
        ImageError, match=rf"too large \({size[0]}x{size[1]}\); scale it down below"
    ):
        open_image(data)


def test_one_picture_takes_at_most_300_mb_above_idle(tmp_path):
    """The worst of each kind that is let in; `tests.measure_pictures` prints more of them."""
    (tmp_path / "grey.png").write_bytes(pictures.grey_bomb())
    result = subprocess.run(
        [sys.executable, "-m", "tests.measure_pictures", str(tmp_path / "grey.png")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(result.stdout.split()[0]) < 300
    assert "from 100 to 4000" in result.stdout
