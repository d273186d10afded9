"""What the command asks pip for; the command itself runs in CI, see its docstring."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version

import pytest

from tests import package_ages
from tests.apart import run_apart

LINES = ["torch>=2.8,<2.14", "gradio==6.31.0", "pillow>=11,<14", ""]
BOUNDS = {"torch": ">=2.8,<2.14", "gradio": "==6.31.0", "pillow": ">=11,<14"}


def test_requirements_are_read():
    assert package_ages.requirements(LINES) == BOUNDS


@pytest.mark.parametrize(
    ("age", "pillow", "torch"),
    [("oldest", "pillow==11", "torch==2.8"), ("newest", "pillow>=11,<14", "torch>=2.8,<2.14")],
)
def test_an_age_is_one_end_of_the_range(age, pillow, torch):
    assert package_ages.wanted(age, BOUNDS, ()) == [torch, "gradio==6.31.0", pillow]


def test_a_package_can_be_kept_as_it_is_here():
    kept = package_ages.wanted("oldest", BOUNDS, ["torch"])
    assert kept == [f"torch=={version('torch')}", "gradio==6.31.0", "pillow==11"]


def test_what_pip_cannot_install_is_said_in_a_line():
    with pytest.raises(SystemExit, match="cannot install these packages"):
        package_ages._install(sys.executable, ["--no-index", "no-such-package-of-sightline"])


def test_tests_of_an_age_are_collected_without_gradio():
    """Which allows no Pillow 13, so that newest is run without it, too."""
    for place in map(package_ages.ROOT.joinpath, package_ages.TESTS):
        for file in [place] if place.suffix else sorted(place.rglob("*.py")):
            needs = re.search(r"^(from|import) (gradio|explainer\.ui)\b", file.read_text(), re.M)
            assert not needs, file


def test_tests_are_collected_without_the_tools_that_are_not_installed():
    """An environment of an age has no xdist and no reruns."""
    plain = ["-p", "no:xdist", "-p", "no:rerunfailures", "-p", "no:cacheprovider", "--collect-only"]
    assert run_apart(pytest.main, ["-q", *plain, __file__]) == 0
