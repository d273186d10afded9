"""The command `eagle`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainer.__main__ import main
from explainer.recording.load import BUNDLED

PARTY = BUNDLED.parents[1] / "examples" / "party.png"


def test_a_preview_with_sources_and_a_correction_is_written(tmp_path: Path, capsys):
    picture = tmp_path / "scene.png"
    Image.open(PARTY).resize((112, 112)).save(picture)
    ask = ["eagle", str(picture), "--prompt", "What is it?", "--answer", "A donut."]
    args = ["--regions", "8", "--hiding", "tokens", "--rests", "--out", str(tmp_path)]
    args += ["--max-new-tokens", "4", "--word", "donut", "--correct"]
    assert main([*ask, *args]) == 0
    said = capsys.readouterr().out
    assert "The answer rests" in said
    assert "before: A donut." in said
    told = json.loads((tmp_path / "scene_eagle.json").read_text())
    assert told["word"] == "donut"
    assert sorted(told["order"]) == list(range(len(told["order"])))
    assert {"sources", "rests", "correction", "insight", "necessity", "reliance"} <= set(told)
    with np.load(tmp_path / "scene_eagle.npz", allow_pickle=False) as arrays:
        assert arrays["labels_0"].shape == (112, 112)
        assert arrays["map_0"].max() <= 1
        assert arrays["sources"].shape == (3, len(told["sources"]))
    for name in ("parts", "eagle", "corrected"):
        assert Image.open(tmp_path / f"scene_{name}.png").size == (112, 112)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--regions", "3"], "4..128"),
        (["--search-scope", "0"], "at least 1"),
        (["--insight", "0", "--necessity", "0"], "above 0"),
        (["--insight", "nan"], "at least 0"),
        (["--correct"], "name it with --word"),
        (["--not", "cat"], "need a place"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words, said, capsys):
    assert main(["eagle", str(PARTY), "--prompt", "What is it?", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
