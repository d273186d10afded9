"""Pages of weight files are released, except where that would lose what was written to them."""

from __future__ import annotations

import mmap
import re
import sys
from pathlib import Path

import pytest

from explainer.models.loading.pages import find_mappings, release_file_pages

NBYTES = 1 << 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells mappings")


def mapped(file: Path) -> mmap.mmap:
    """Return a private mapping of a file of zeros, as safetensors maps weights, all of it read."""
    file.write_bytes(bytes(NBYTES))
    with file.open("rb") as opened:
        pages = mmap.mmap(opened.fileno(), NBYTES, access=mmap.ACCESS_COPY)
    assert not any(pages[:])
    return pages


def held(file: Path) -> int:
    """Return how many kB of this file are in the memory of this process."""
    parts = Path("/proc/self/smaps").read_text().split(str(file))[1:]
    return sum(int(re.search(r"^Rss: +(\d+)", part, re.M)[1]) for part in parts)


def test_pages_that_were_read_are_released(tmp_path):
    pages = mapped(tmp_path / "model.safetensors")
    assert held(tmp_path / "model.safetensors") == NBYTES // 1024
    release_file_pages(tmp_path, frozenset())
    assert held(tmp_path / "model.safetensors") == 0
    pages.close()


def test_a_mapping_that_was_written_to_keeps_its_changes(tmp_path):
    pages = mapped(tmp_path / "model.safetensors")
    pages[NBYTES // 2] = 7
    release_file_pages(tmp_path, frozenset())
    assert pages[NBYTES // 2] == 7
    pages.close()


def test_mappings_of_models_loaded_before_are_left_alone(tmp_path):
    pages = mapped(tmp_path / "model.safetensors")
    release_file_pages(tmp_path, find_mappings(tmp_path))
    assert held(tmp_path / "model.safetensors") == NBYTES // 1024
    pages.close()
