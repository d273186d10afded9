"""The methods in the page are those of Python: the same cases, made anew, computed by both."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from explainer.methods import METHODS
from tests.web import cases, step_cases

NODE = shutil.which("node")
TESTS = [Path(__file__).with_name(f"{name}.test.js") for name in ("twins", "steps")]


@pytest.mark.skipif(NODE is None, reason="no node here")
def test_the_page_computes_what_python_computes(tmp_path):
    made = cases.write(tmp_path / "cases.json")
    steps = step_cases.write(tmp_path / "steps.json")
    assert sum("error" in one for one in made) > 10, "refusals are compared, too"
    assert sum("error" in one for one in steps) > 3
    files = {
        "SIGHTLINE_CASES": str(tmp_path / "cases.json"),
        "SIGHTLINE_STEPS": str(tmp_path / "steps.json"),
    }
    done = subprocess.run(
        [NODE, "--test", *TESTS],
        env={**os.environ, **files},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "# skipped 0" in done.stdout


@pytest.mark.parametrize("name", METHODS)
def test_every_knob_changes_a_case(name):
    """Else a twin that ignores the knob would pass."""
    method, seen = METHODS[name], {}
    span = cases.Span(cases.some_tokens(cases.runs()["small"]))
    for knob, knobs in cases.sweep(method):
        one = cases.case("small", method, span, knobs)
        heat = one["heat"]["parts"] if "heat" in one else None
        if heat is not None:
            seen.setdefault(knob, set()).add(tuple(part["values"] for part in heat))
    assert {knob: len(found) for knob, found in seen.items() if len(found) < 2} == {}
    assert seen.keys() == {knob.name for knob in method.knobs}


def test_the_cases_of_the_gallery_are_recorded_runs():
    assert len(cases.GALLERY) >= 3
    families = {cases.runs()[path.stem].model_id for path in cases.GALLERY}
    assert len(families) == 3
    assert all(np.isfinite(cases.runs()[path.stem].probs).any() for path in cases.GALLERY)
