"""The command line: `python -m explainer COMMAND`, with a module for each command.

A module of `explainer.commands` has `HELP` (one line), `add_arguments(parser)` and
`main(args) -> int`. It is imported only when its command is used, so that a missing package affects
one command only.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from explainer.commands.terminal import escape_unprintable
from explainer.errors import SightlineError

COMMANDS = (
    "explain",
    "site",
    "eagle",
    "check",
    "train",
    "evaluate",
    "bench",
    "rehearse",
    "recorder",
)
PROGRAM = "python -m explainer"
# Errors of a disk, which are no defects of the program.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    The code is 0 for success, 2 for a message to the user, 130 if stopped, or one that the command
    documents, such as 3 of `evaluate`.
    """
    escape_unprintable()
    words = sys.argv[1:] if argv is None else list(argv)
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0
    name, *rest = words
    try:
        module = _command(name)
        parser = argparse.ArgumentParser(
            prog=f"{PROGRAM} {name}", description=module.HELP, allow_abbrev=False
        )
        module.add_arguments(parser)
        args = parser.parse_args(rest)
        args.words = words  # as typed, for a command that starts itself again
        code = module.main(args)
        sys.stdout.flush()
        return code
    except SightlineError as error:
        print(f"{PROGRAM} {name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROGRAM} {name}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"{PROGRAM} {name}: {where}{error.strerror}", file=sys.stderr)
        return 2


def _command(name: str) -> ModuleType:
    """Return the module of a command; raise `SightlineError` if it cannot be used."""
    if name not in COMMANDS:
        raise SightlineError(f"there is no such command; choose one of {', '.join(COMMANDS)}")
    try:
        return importlib.import_module(f"explainer.commands.{name}")
    except ModuleNotFoundError as error:
        if error.name == f"explainer.commands.{name}":
            raise SightlineError("this command is not part of this copy") from None
        raise SightlineError(f"this command needs {error.name}; pip install {error.name}") from None


def _help() -> str:
    lines = [f"usage: {PROGRAM} COMMAND [options]", "", "commands:"]
    for name in COMMANDS:
        try:
            lines.append(f"  {name:<10}{_command(name).HELP}")
        except SightlineError as error:
            lines.append(f"  {name:<10}({error})")
    return "\n".join([*lines, "", f"{PROGRAM} COMMAND --help lists the options of a command"])


if __name__ == "__main__":
    sys.exit(main())
