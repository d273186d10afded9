"""A few seconds of fuzzing with fixed seeds; the commands in this folder run for longer."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.apart import forked_python

KINDS = {"media": ["pictures", "videos"], "records": ["runs", "links", "knobs", "annotations"]}


@pytest.mark.slow
@pytest.mark.parametrize("module", KINDS)
def test_damaged_files_never_break_the_readers(module, tmp_path):
    pytest.importorskip("hypothesis")
    how = ["--rounds", "2", "--seed", "1", "--keep", str(tmp_path)]
    command = [*forked_python(), "-m", f"tests.fuzz.{module}", *KINDS[module], *how]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    for reader, line in zip(KINDS[module], result.stdout.splitlines(), strict=True):
        read, refused = re.match(rf"{reader}: (\d+) read, (\d+) refused", line).groups()
        assert int(read) > 5
        assert int(refused) > 50 or reader in ("links", "knobs", "annotations")
