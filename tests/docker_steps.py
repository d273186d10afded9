"""Do what the Dockerfile says as plain commands, in a clean folder with a fresh environment.

    python -m tests.docker_steps

For machines without a Docker engine. Installs torch again, so it is no part of the test run. Steps
that make the user or need root are left out. TORCH_INDEX in the environment stands for the build
argument of that name.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.dockerfile import ROOT, Step, copied, environment, steps

HOME = "/home/user"  # in the image
PATIENCE = 120  # seconds until the page has to answer


def main() -> int:
    """Do all steps, start the app, ask it as HEALTHCHECK does, and return 0 if it answered."""
    found = steps()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        subprocess.run([sys.executable, "-m", "venv", home / ".local"], check=True)
        there = _environment(found, home)
        app = home / "app"
        app.mkdir()
        for step in found:
            _do(step, app, there)
        return _serve(found, app, there)


def _environment(found: list[Step], home: Path) -> dict[str, str]:
    """Return ARG and ENV of the Dockerfile, moved to `home`, over what a shell has."""
    args = dict(s.rest.split("=", 1) for s in found if s.word == "ARG")
    given = {name: os.environ.get(name, value) for name, value in args.items()}
    outside = {n: v for n, v in os.environ.items() if not n.startswith(("VIRTUAL_ENV", "PYTHON"))}
    moved = {n: v.replace(HOME, str(home)) for n, v in environment(found).items()}
    moved["PATH"] = moved["PATH"].replace("$PATH", os.environ["PATH"])
    return outside | given | moved | {"GRADIO_SERVER_PORT": str(_free_port())}


def _do(step: Step, app: Path, there: dict[str, str]) -> None:
    """Do a COPY, or a RUN that needs no root."""
    if step.word not in ("COPY", "RUN"):
        return
    if "useradd" in step.rest:
        print(f"left out: {step.rest}")
        return
    print(f"{step.word} {step.rest}", flush=True)
    start = time.monotonic()
    if step.word == "RUN":
        subprocess.run(step.rest, shell=True, check=True, cwd=app, env=there)
    else:
        sources, target = copied(step)
        for source in sources:
            _copy(ROOT / source, app / target)
    print(f"  {time.monotonic() - start:.1f} s", flush=True)


def _copy(source: Path, target: Path) -> None:
    """Copy as COPY does: a folder's content, or a file into a folder."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _serve(found: list[Step], app: Path, there: dict[str, str]) -> int:
    """Start CMD, and return 0 as soon as HEALTHCHECK is content."""
    command = json.loads(next(s.rest for s in found if s.word == "CMD"))
    health = next(s.rest for s in found if s.word == "HEALTHCHECK").split("CMD", 1)[1]
    check = [w.replace("7860", there["GRADIO_SERVER_PORT"]) for w in json.loads(health)]
    print(f"CMD {command}", flush=True)
    start = time.monotonic()
    command[0] = check[0] = str(app.parent / ".local" / "bin" / "python")
    process = subprocess.Popen(command, cwd=app, env=there)
    try:
        while process.poll() is None and time.monotonic() - start < PATIENCE:
            if not subprocess.run(check, stderr=subprocess.DEVNULL).returncode:
                print(f"healthy after {time.monotonic() - start:.1f} s")
                return 0
            time.sleep(0.5)
        print("the app did not answer", file=sys.stderr)
        return 1
    finally:
        process.terminate()
        process.wait(20)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
