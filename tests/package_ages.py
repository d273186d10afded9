"""Run the model tests with the oldest or the newest packages that requirements.txt promises.

    python -m tests.package_ages oldest
    python -m tests.package_ages newest
    python -m tests.package_ages oldest --keep torch       # with the torch of this environment
    python -m tests.package_ages newest --without gradio --pick 'pillow==13.*'

Makes an environment of its own in a temporary folder, prints what was installed, runs pytest there
and returns its exit code. What follows `--` goes to pytest in place of the usual tests.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AGES = ("oldest", "newest")
# Those that read checkpoints, run models, and read and draw pictures and videos.
TESTS = (
    "tests/models",
    "tests/recording/test_record.py",
    "tests/commands/test_check.py",
    "tests/attribution/test_attribute.py",
    "tests/media/test_images.py",
    "tests/media/test_video.py",
    "tests/export/test_figure.py",
)
TOOLS = ("pytest", "pytest-timeout", "psutil", "peft", "accelerate")


def requirements(lines: Iterable[str]) -> dict[str, str]:
    """Return the bounds of each package, such as {"torch": ">=2.8,<2.14"}."""
    parted = [re.match(r"([\w-]+)(.*)", line) for line in lines if line.strip()]
    return {part[1]: part[2] for part in parted if part}


def at_age(bounds: str, age: str) -> str:
    """Return what to ask pip for: the lower bound alone for "oldest", else the whole range."""
    lowest = re.match(r">=([\d.]+)", bounds)
    return f"=={lowest[1]}" if lowest and age == "oldest" else bounds


def wanted(age: str, bounds: Mapping[str, str], keep: Sequence[str]) -> list[str]:
    """Return the requirements to install; those in `keep` as this environment has them."""
    return [
        f"{name}=={version(name)}" if name in keep else name + at_age(bound, age)
        for name, bound in bounds.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Install the packages of an age and run the tests with them; the exit code is pytest's."""
    words = sys.argv[1:] if argv is None else list(argv)
    split = words.index("--") if "--" in words else len(words)
    args, tests = _parser().parse_args(words[:split]), words[split + 1 :] or TESTS
    bounds = requirements((ROOT / "requirements.txt").read_text().splitlines())
    bounds = {name: bound for name, bound in bounds.items() if name not in args.without}
    bounds |= requirements(args.pick)
    tools = requirements((ROOT / "tests" / "requirements.txt").read_text().splitlines())
    with tempfile.TemporaryDirectory(prefix="sightline-ages-") as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "Scripts" if os.name == "nt" else "bin", "python"))
        packages = wanted(args.age, bounds, args.keep)
        # torch alone first: that keeps to the build at hand, see tests/run.
        _install(python, [p for p in packages if p.startswith("torch")])
        _install(python, [*packages, *(tool + tools[tool] for tool in TOOLS)])
        _tell_versions(python, bounds)
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
        return subprocess.run(command, cwd=ROOT, env=os.environ | _QUIET, check=False).returncode


_QUIET = {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("age", choices=AGES)
    parser.add_argument("--keep", action="append", default=[], metavar="PACKAGE")
    parser.add_argument("--without", action="append", default=[], metavar="PACKAGE")
    parser.add_argument("--pick", action="append", default=[], metavar="REQUIREMENT")
    return parser


def _install(python: str, packages: Sequence[str]) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise SystemExit("pip cannot install these packages: " + " ".join(said[:3]))


def _tell_versions(python: str, names: Iterable[str]) -> None:
    code = (
        "import sys, importlib.metadata as m\n"
        "print(', '.join(f'{name} {m.version(name)}' for name in sys.argv[1:]), flush=True)"
    )
    subprocess.run([python, "-c", code, *names], check=True)


if __name__ == "__main__":
    sys.exit(main())
