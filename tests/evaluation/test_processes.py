"""One evaluation by several processes, started as people start them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from explainer.__main__ import main
from explainer.commands.measuring import NOTHING_JUDGED  # what a random model says names nothing
from tests.apart import forked_executable, forked_python
from tests.evaluation.test_campaign import words

ROOT = Path(__file__).parents[2]
# On CPUs too: with --cpu, accelerate starts one process unless MPI starts the others.
LAUNCH = "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """What starts the processes: each is forked from one that has imported torch."""
    return forked_executable(tmp_path_factory.mktemp("bin"))


def launch(python: Path, model: Path, out: Path, n: int) -> subprocess.Popen:
    command = [*forked_python(), "-m", "accelerate.commands.launch", *LAUNCH.split()]
    command += ["--main_process_port", "0", "-m", "explainer", *words(model, out, n)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHON_EXEC": str(python)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def files(out: Path) -> list[Path]:
    return [out / f"samples-{rank}-of-2.jsonl" for rank in (0, 1)]


def whole_lines(file: Path) -> str:
    text = file.read_text() if file.exists() else ""
    return text[: text.rfind("\n") + 1]


def worker(out: Path, rank: int) -> int:
    """Return the id of a process that evaluates into a folder."""
    psutil = pytest.importorskip("psutil")
    found = psutil.process_iter(["cmdline", "environ"])
    return next(
        process.pid
        for process in found
        if str(out) in (process.info["cmdline"] or ())
        and (process.info["environ"] or {}).get("RANK") == str(rank)
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_process_loses_its_current_sample_and_the_command_again_does_the_rest(
    python, qwen_folder, tmp_path, monkeypatch, capsys
):
    """All kept samples stay as they are, and the report is that of one process alone."""
    pytest.importorskip("accelerate")
    out, alone = tmp_path / "shared", tmp_path / "alone"
    launched = launch(python, qwen_folder, out, 2000)
    deadline = time.monotonic() + 400
    while min(whole_lines(file).count("\n") for file in files(out)) < 3:
        assert time.monotonic() < deadline
        assert launched.poll() is None, launched.communicate()[0]
        time.sleep(0.05)
    written = whole_lines(files(out)[1])
    os.kill(worker(out, 1), signal.SIGKILL)
    said, _ = launched.communicate(timeout=400)
    assert launched.returncode != 0, said
    kept = [whole_lines(file) for file in files(out)]
    assert kept[1].startswith(written)
    n = 2 * max(lines.count("\n") for lines in kept) + 1  # something is left to both

    for rank in (1, 0):  # as a launcher starts them
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        code = main(words(qwen_folder, out, n))
    monkeypatch.undo()
    said = "".join(capsys.readouterr())
    assert code == NOTHING_JUDGED
    assert "Nothing was judged: " in said
    assert said.count("| method |") == 1
    now = [whole_lines(file) for file in files(out)]
    assert [text.startswith(before) for text, before in zip(now, kept, strict=True)] == [True] * 2
    assert [text.count("\n") - 1 for text in now] == [n // 2 + 1, n // 2]
    assert main(words(qwen_folder, alone, n)) == NOTHING_JUDGED
    reports = [json.loads((folder / "report.json").read_text()) for folder in (out, alone)]
    assert reports[0]["methods"] == reports[1]["methods"]
    assert reports[0]["samples"] == reports[1]["samples"] == n


def test_the_first_process_says_what_the_others_have_not_done(
    qwen_folder, tmp_path, monkeypatch, capsys
):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert main([*words(qwen_folder, tmp_path, 3), "--wait", "0"]) == NOTHING_JUDGED
    told = capsys.readouterr()
    assert "1 samples of other processes are missing; the same command measures them" in told.err
    assert json.loads((tmp_path / "report.json").read_text())["samples"] == 2
    monkeypatch.undo()
    assert main(words(qwen_folder, tmp_path, 3)) == NOTHING_JUDGED
    assert json.loads((tmp_path / "report.json").read_text())["samples"] == 3
    assert (tmp_path / "samples.jsonl").read_text().count("\n") - 1 == 1


@pytest.mark.slow
def test_one_command_divides_its_samples_among_processes_of_this_machine(
    python, qwen_folder, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "executable", str(python))
    out, alone = tmp_path / "divided", tmp_path / "alone"
    assert main([*words(qwen_folder, out, 5), "--processes", "2"]) == NOTHING_JUDGED
    assert [whole_lines(file).count("\n") - 1 for file in files(out)] == [3, 2]
    # Fewer than 5 where the other process had begun before the first looked at what is left.
    assert re.search(r"^\d samples in .* a second, by 2 processes$", capfd.readouterr().out, re.M)
    assert main(words(qwen_folder, alone, 5)) == NOTHING_JUDGED
    reports = [json.loads((folder / "report.json").read_text()) for folder in (out, alone)]
    assert reports[0]["methods"] == reports[1]["methods"]


@pytest.mark.slow
def test_a_failed_process_ends_the_others_and_gives_its_exit_code(
    python, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "executable", str(python))
    asked = ["evaluate", "--methods", "nosuch", "--out", str(tmp_path), "--processes", "2"]
    assert main(asked) == 2
    assert "nosuch" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--processes", "2"], "say with --methods whose"),
        (["--methods", "tam", "--processes", "2"], "name it with --out"),
        (["--methods", "tam", "--out", "x", "--processes", "0"], "must lie in 1..256, got 0"),
    ],
)
def test_what_cannot_be_divided_is_said_at_once(asked, said, capsys):
    assert main(["evaluate", *asked]) == 2
    assert said in capsys.readouterr().err
