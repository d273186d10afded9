"""A few seconds of fuzzing with fixed seeds; the commands in this folder run for longer."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

KINDS = {"media": ["pictures", "videos"], "records": ["runs", "links", "knobs", "annotations"]}


@pytest.mark.parametrize(
    ("module", "reader"), [(m, reader) for m, readers in KINDS.items() for reader in readers]
)
def test_damaged_files_never_break_the_readers(module, reader, tmp_path):
    pytest.importorskip("hypothesis")
    command = f"-m tests.fuzz.{module} {reader} --rounds 2 --seed 1 --keep".split()
    result = subprocess.run(
        [sys.executable, *command, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    read, refused = re.match(rf"{reader}: (\d+) read, (\d+) refused", result.stdout).groups()
    assert int(read) > 5
    assert int(refused) > 50 or reader in ("links", "knobs", "annotations")
