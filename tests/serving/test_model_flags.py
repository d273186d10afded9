"""The flags that choose a model: the same everywhere, and passed on as they were given."""

from __future__ import annotations

import argparse
import importlib

import pytest

import app
from explainer.__main__ import main
from explainer.run import Run
from explainer.serving import model_flags
from tests import tiny, tiny_tiles

GIVEN = {
    "revision": "v1",
    "device": "cpu",
    "dtype": "bfloat16",
    "quantize": "8bit",
    "device_map": "auto",
    "adapter": "lora",
    "attention": "sdpa",
    "tiles": 4,
}
WORDS = [w for name, v in GIVEN.items() for w in (f"--{name.replace('_', '-')}", str(v))]


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"explainer.commands.{command}").add_arguments(parser)
    return parser


@pytest.mark.parametrize(
    ("command", "first"),
    [
        ("explain", ["scene.png", "--model", "m"]),
        ("evaluate", ["--model", "m"]),
        ("bench", ["--model", "m"]),
        ("check", ["m"]),
    ],
)
def test_every_command_takes_them(command, first):
    args = _parser(command).parse_args([*first, *WORDS])
    assert args.model == "m"
    assert model_flags.load_options(args) == GIVEN


@pytest.mark.parametrize("command", ["explain", "evaluate", "bench"])
def test_without_flags_the_bundled_model_is_loaded_as_usual(command):
    args = _parser(command).parse_args(["scene.png"] if command == "explain" else [])
    assert args.model is None
    assert model_flags.load_options(args) == {
        "device": "auto",
        "dtype": "auto",
        "attention": "sdpa",
    }


def test_the_page_takes_them_from_the_environment_too(monkeypatch):
    for name in app.ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)
    assert model_flags.load_options(app.parse([*WORDS])) == GIVEN
    for name, value in GIVEN.items():
        monkeypatch.setenv(app.ENVIRONMENT[name], str(value))
    monkeypatch.setenv("SIGHTLINE_MODEL", "someone/model")
    monkeypatch.setenv("SIGHTLINE_STORE_MB", "64")
    flags = app.parse([])
    assert model_flags.load_options(flags) == GIVEN
    assert (flags.model, flags.store_mb) == ("someone/model", 64)
    assert app.parse(["--device", "cuda:1"]).device == "cuda:1"
    monkeypatch.setenv("SIGHTLINE_TILES", "many")
    with pytest.raises(SystemExit):
        app.parse([])


def test_a_flag_reaches_the_model(tmp_path, capsys):
    from PIL import Image

    folder = tiny_tiles.internvl(tmp_path / "model")
    Image.fromarray(tiny.image(96, 192)).save(tmp_path / "scene.png")
    words = ["explain", str(tmp_path / "scene.png"), "--prompt", "a cat", "--model", str(folder)]
    words += ["--out", str(tmp_path), "--max-new-tokens", "1", "--device", "cpu", "--tiles", "2"]
    assert main(words) == 0
    run = Run.load(tmp_path / "scene.npz")
    assert run.settings["tiles"] == 2
    assert main([*words[:-2], "--quantize", "3bit"]) == 2
    assert "quantize must be one of 4bit, 8bit" in capsys.readouterr().err


def test_mcp_says_what_it_needs(monkeypatch, capsys):
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    assert app.main(["--mcp"]) == 2
    assert "pip install 'gradio[mcp]'" in capsys.readouterr().err
    monkeypatch.setenv("SIGHTLINE_MCP", "1")
    assert app.parse([]).mcp
