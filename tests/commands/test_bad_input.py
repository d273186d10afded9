"""Bad input is refused before torch is imported, which takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests import tiny

ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
from explainer.__main__ import main
for words in json.loads(sys.argv[1]):
    print("$", main(words), file=sys.stderr, flush=True)
    assert "torch" not in sys.modules, words
"""


def test_bad_input_is_told_without_torch(tmp_path):
    picture = tmp_path / "scene.png"
    Image.fromarray(tiny.image()).save(picture)
    question = ["explain", str(picture), "--out", str(tmp_path), "--prompt"]
    measuring = ["evaluate", "--methods"]
    cases = {
        "there is no method": [*question, "a", "--methods", "nonsense"],
        "the prompt is empty": [*question, " "],
        "temperature must lie": [*question, "a", "--temperature", "-1"],
        "max_new_tokens must be": [*question, "a", "--max-new-tokens", "0"],
        "repetition_penalty must": [*question, "a", "--repetition-penalty", "0"],
        "seed must lie": [*question, "a", "--seed", "-1"],
        "no such picture": ["explain", str(tmp_path / "none.png"), *question[2:], "a"],
        "there is no such folder": [*question, "a", "--model", "/nowhere"],
        "there is no method 'mood'": [*measuring, "mood"],
        "--n must be at least 1": [*measuring, "tam", "--n", "0"],
        "is no folder": [*measuring, "tam", "--dataset", "coco", "--root", "/nowhere"],
    }
    command = [sys.executable, "-c", CODE, json.dumps([*cases.values()])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = [text.strip() for text in done.stderr.split("$ 2\n")]
    assert told.pop() == ""
    for said, expected in zip(told, cases, strict=True):
        assert expected in said, said
        assert said.count("\n") == 0
