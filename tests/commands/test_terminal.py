"""Terminals, folders and file names as people have them: texts get through, files are whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from explainer.__main__ import main
from explainer.commands.terminal import decode_argument
from explainer.errors import OutputError, PromptError
from explainer.models.decoding import Decoding
from explainer.run import Run
from explainer.run.files import check_folder, file_name, free_stem, write_whole
from tests import tiny
from tests.inputs.text import LONG_BYTES, LONG_NAME

ROOT = Path(__file__).parents[2]
CHINESE = "这是一只猫"
BAD_STEM = os.fsdecode(b"caf\xe9")  # of a file whose name is no UTF-8


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("pictures") / "scene.png"
    Image.fromarray(tiny.image()).save(file)
    return file


def _explain(model: Path, picture: Path, out: Path, *more: str) -> list[str]:
    return [
        *("explain", str(picture), "--model", str(model), "--device", "cpu", "--out", str(out)),
        *("--methods", "tam", "--max-new-tokens", "2", "--prompt", "a", *more),
    ]


def _run(
    words: list[str | bytes], *options: str, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command with Python's options and these variables, and none that says an encoding."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))}
    command = [sys.executable, *options, "-m", "explainer", *words]
    environment = kept | {"OMP_NUM_THREADS": "1"} | variables
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, timeout=280)


# Encodings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "gbk"])
def test_what_a_terminal_lacks_is_printed_as_escapes(qwen, tmp_path, encoding):
    answer = f"{CHINESE} 🍁"
    qwen.record(tiny.image(), "a", scales=(), answer=answer).save(tmp_path / "scene.npz")
    assert Run.load(tmp_path / "scene.npz").answer == answer
    words = ["explain", str(tmp_path / "scene.npz"), "--out", str(tmp_path), "--methods", "tam"]
    done = _run([*words, "--token", "0"], PYTHONIOENCODING=encoding, LC_ALL="C.UTF-8")
    assert done.returncode == 0, done.stderr
    assert (b"\\u732b" in done.stdout) == (encoding != "gbk")
    assert b"\\U0001f341" in done.stdout
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_arguments_are_utf_8_where_the_locale_says_nothing(qwen_folder, tmp_path):
    """jpylyzer 103, dottorrent 9, bleachbit 2108: names whose bytes are no UTF-8, too."""
    words = _explain_badly_named(qwen_folder, tmp_path)
    words += ["--prompt", CHINESE, "--answer", "一只猫 🍁"]
    done = _run([os.fsencode(word) for word in words], LC_ALL="C", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert b"caf\xe9.npz" in os.listdir(os.fsencode(tmp_path / "out"))
    (file,) = (tmp_path / "out").glob("*.npz")
    run = Run.load(file)
    assert (run.prompt, run.answer) == (CHINESE, "一只猫 🍁")
    pictures = list((tmp_path / "out").glob("*.png"))
    assert pictures, "one for each chip, named without letters that ASCII lacks"
    assert all(file.name.removeprefix(f"{BAD_STEM}_").isascii() for file in pictures)


def _explain_badly_named(model: Path, folder: Path) -> list[str]:
    """Return the command for a picture in the folder whose name is no UTF-8; it writes `out`."""
    name = os.fsencode(folder) + b"/caf\xe9.png"
    Image.new("RGB", (64, 64)).save(os.fsdecode(name))
    return _explain(model, Path(os.fsdecode(name)), folder / "out")


def test_half_a_character_in_a_prompt_is_told(qwen_folder, picture, tmp_path, capsys):
    """shell_gpt 667: surrogates that reach a prompt, as Python reads bytes that are no UTF-8."""
    prompt = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert main(_explain(qwen_folder, picture, tmp_path, "--prompt", prompt)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "half a character" in said


def test_bytes_that_are_no_utf_8_stay_as_they_came():
    assert decode_argument(CHINESE) == CHINESE
    assert decode_argument(CHINESE.encode().decode("ascii", "surrogateescape")) == CHINESE
    assert decode_argument("\udcff") == "\udcff"


def test_commands_work_without_docstrings_and_with_names_that_are_no_text(qwen_folder, tmp_path):
    """`python -OO` leaves none, and transformers makes its own of those of its classes."""
    words = [*_explain_badly_named(qwen_folder, tmp_path), "--token", "0", "--answer", "a"]
    done = _run([os.fsencode(word) for word in words], "-OO", LC_ALL="C.UTF-8")
    assert done.returncode == 0, done.stderr
    assert b"caf\xe9.npz" in os.listdir(os.fsencode(tmp_path / "out"))
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


# Names -------------------------------------------------------------------------------------------


def test_pictures_of_one_name_are_both_kept(qwen_folder, tmp_path, capsys):
    out = tmp_path / "out"
    for folder, ending, value in (("a", "png", 10), ("b", "jpg", 200)):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (64, 64), (value,) * 3).save(tmp_path / folder / f"img.{ending}")
    assert main(_explain(qwen_folder, tmp_path / "a" / "img.png", out)) == 0
    assert main(_explain(qwen_folder, tmp_path / "b" / "img.jpg", out)) == 0
    assert "this one is called img-2.npz; --overwrite replaces" in capsys.readouterr().out
    first, second = (Run.load(out / f"img{end}.npz").image.mean() for end in ("", "-2"))
    assert (round(first), round(second)) == (10, 200)
    assert main(_explain(qwen_folder, tmp_path / "b" / "img.jpg", out, "--overwrite")) == 0
    assert round(Run.load(out / "img.npz").image.mean()) == 200


@pytest.mark.parametrize("name", [LONG_NAME, LONG_BYTES])
def test_long_names_are_cut_to_what_file_systems_take(qwen_folder, tmp_path, name):
    file = tmp_path / f"{name}.png"
    Image.new("RGB", (64, 64)).save(file)
    out = tmp_path / "out"
    assert main(_explain(qwen_folder, file, out, "--token", "0", "--format", "png", "json")) == 0
    assert sorted(f.suffix for f in out.iterdir()) == [".json", ".npz", ".png"]


def test_names_fit_and_stay_apart():
    for stem in (LONG_NAME * 2, LONG_BYTES * 3, "猫\udce7" * 99):
        name = file_name(stem, "png")
        assert len(os.fsencode(name)) <= 255
        assert name.endswith(".png")
        assert name != file_name(stem + "y", "png")
    assert file_name("a.b", "npz") == "a.b.npz"


def test_free_names(tmp_path):
    assert free_stem(tmp_path, "a", "npz") == "a"
    (tmp_path / "a.npz").touch()
    (tmp_path / "a-2.npz").touch()
    assert free_stem(tmp_path, "a", "npz") == "a-3"
    assert free_stem(tmp_path, "a", "npz", own=tmp_path / "." / "a.npz") == "a"


# Folders -----------------------------------------------------------------------------------------


@pytest.fixture
def no_model(monkeypatch):
    def refuse(*_):
        raise AssertionError("the model is not asked")

    monkeypatch.setattr("explainer.serving.model_flags.load_from_flags", refuse)


def test_a_folder_that_cannot_be_written_is_told_before_the_model_is_asked(
    picture, tmp_path, no_model, capsys
):
    (tmp_path / "file").touch()
    places = [tmp_path / "file", tmp_path / "file" / "below", Path("/proc/sightline")]
    for out in places:
        assert main(_explain(Path("none"), picture, out)) == 2
        said = capsys.readouterr().err
        assert str(out) in said
        assert "--out" in said
        assert said.count("\n") == 1
        assert main(["evaluate", "--methods", "tam", "--out", str(out)]) == 2
        assert str(out) in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(file):
        file.write(b"x" * 10_000)
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")

    path = tmp_path / "a.png"
    path.write_bytes(b"before")
    with pytest.raises(OutputError, match=r"a\.png cannot be written: No space left.*--out"):
        write_whole(path, full)
    assert path.read_bytes() == b"before"
    assert [f.name for f in tmp_path.iterdir()] == ["a.png"]
    write_whole(path, lambda file: file.write(b"after"))
    assert path.read_bytes() == b"after"


def test_a_disk_that_fills_up_while_a_folder_is_checked(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(OutputError, match="No space left on device"):
        check_folder(tmp_path)


# Limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [-1, 2**31, 2**64, 10**400])
def test_seeds_have_the_limits_of_the_page(seed):
    with pytest.raises(PromptError, match=r"seed must lie in 0\.\.2147483647"):
        Decoding(1, 0.0, seed)


def test_temperatures_that_are_none_are_greedy(qwen):
    assert Decoding(1, 1e-40, 0).temperature == 0
    assert Decoding(1, 0.01, 0).temperature == 0.01
    picture = tiny.image()
    cold = qwen.record(picture, "a", max_new_tokens=3, temperature=1e-40)
    assert cold.answer == qwen.record(picture, "a", max_new_tokens=3).answer
    assert cold.settings["temperature"] == 0
    coldest = qwen.record(picture, "a", max_new_tokens=3, temperature=1.1e-4)
    assert coldest.answer == cold.answer, "the floor is where a draw is the most probable token"
