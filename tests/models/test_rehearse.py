"""`rehearse`: random weights of a model's dimensions, made from its config files alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from explainer.__main__ import main
from explainer.models.loading import weights
from explainer.models.loading.fit import needed
from explainer.models.loading.speed import Speed, estimate_seconds
from explainer.models.loading.stand_in import write_stand_in
from explainer.recording.load import load
from tests import tiny
from tests.shared_models import FAMILIES

CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json")


def configs(folder: Path, place: Path, *more: str) -> Path:
    """Return a folder with the config files of a checkpoint, and with `more` files."""
    place.mkdir()
    for name in (*CONFIGS, *more):
        if (folder / name).is_file():
            shutil.copy(folder / name, place)
    return place


@pytest.mark.parametrize("words", [(), ("tokenizer.json", "tokenizer_config.json")])
def test_a_stand_in_has_the_dimensions_of_the_checkpoint(
    any_family, family_folders, tmp_path, words
):
    """With the checkpoint's own tokenizer, and with one that stands in for it."""
    name = any_family.model_id
    source = configs(family_folders[name], tmp_path / "source", *words)
    (tmp_path / "made").mkdir()
    counts = write_stand_in(source, tmp_path / "made", "bfloat16")
    network = any_family.family.model
    kept = network.state_dict()  # some buffers are stored, too
    buffers = sum(b.numel() for name, b in network.named_buffers() if name in kept)
    assert counts.parameters == network.num_parameters() + buffers
    assert counts.nbytes == 2 * counts.parameters
    made = load(tmp_path / "made", device="cpu", **FAMILIES[name][1])
    run = made.record(tiny.image(), "what is it?", scales=(0.5,), max_new_tokens=2)
    inputs = any_family.family.compose([tiny.image()], "what is it?")
    assert len(run.scales[0].states) == len(inputs.visual)


def test_the_command_tells_each_phase_and_the_estimate_of_the_menu(qwen_folder, tmp_path, capsys):
    source = configs(
        qwen_folder, tmp_path / "tiny-model", "tokenizer.json", "tokenizer_config.json"
    )
    words = ["rehearse", str(source), "--device", "cpu", "--size", "96x64"]
    assert main([*words, "--max-new-tokens", "3"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[1:6]] == [
        "load",
        "read",
        "answer",
        "scales",
        "pack",
    ]
    assert "96x64 px, 24 visual tokens" in out
    counts = weights.count(weights.stored(qwen_folder))
    assert f"estimated: {needed(counts, 'float32', 710) / 1e9:.2f} for the" in out
    assert "at most: process" in out


def test_the_figures_are_printed_as_json(qwen_folder, tmp_path, capsys):
    source = configs(qwen_folder, tmp_path / "tiny-model")
    words = ["rehearse", str(source), "--device", "cpu", "--size", "96x64", "--json"]
    assert main([*words, "--max-new-tokens", "3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tokens"]["1.0"] == 24
    assert 0 < told["estimated_seconds"] < 10
    assert told["process_bytes"] < told["peaks"]["process"] < 4e9


def test_the_estimate_of_seconds_counts_what_is_read_and_what_is_answered():
    speed = Speed(operations=1e12, nbytes=1e10)
    size = weights.Counts(600_000_000, embeddings=100_000_000, nbytes=0, tower=100_000_000)
    seconds = estimate_seconds(size, 400, 16, "bfloat16", speed)
    reading = 2 * 400 * (16 * 1e8 + 4e8)  # 16 patches for a token
    assert seconds == pytest.approx(reading / 4e11 + 16 * 1e9 / 6e9)


@pytest.mark.parametrize("size", ["640", "0x10", "axb", "640x480x3", "-3x4"])
def test_a_size_that_is_none_is_refused(qwen_folder, capsys, size):
    assert main(["rehearse", str(qwen_folder), f"--size={size}"]) == 2
    assert "such as 640x480" in capsys.readouterr().err


def test_missing_files_are_named(tmp_path, qwen_folder, capsys):
    source = configs(qwen_folder, tmp_path / "bare")
    (source / "preprocessor_config.json").unlink()
    assert main(["rehearse", str(source), "--device", "cpu"]) == 2
    assert "preprocessor_config.json missing" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["rehearse"])
