"""Run drawn examples for some minutes and check what is promised of each.

Each example must end within 10 s, with a result or a message to the user, and the process stays
below 1 GB. What breaks that is left in the folder named by --keep, and the exit code is not 0.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import random
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from explainer.errors import SightlineError

MAX_SECONDS = 10
MAX_BYTES = 1_000_000_000
_ROUND = 100  # examples between two looks at the clock


@dataclass(frozen=True)
class Reader:
    """What is fed, and with what.

    Attributes:
        read: takes an example; raises `refusal` for what it says it cannot use.
        examples: makes the strategy that draws examples.
        refusal: the error that carries a message to the user.
    """

    read: Callable[[Any], object]
    examples: Callable[[], st.SearchStrategy[Any]]
    refusal: type[SightlineError] = SightlineError


def main(description: str, readers: Mapping[str, Reader], arguments: Sequence[str] | None) -> None:
    """Run readers as the command line says, and print what each has read."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("readers", nargs="+", choices=sorted(readers))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, help="of 100 examples, in place of minutes")
    parser.add_argument("--seed", type=int, default=None, help="of the examples; else random")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failure"))
    args = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    start = random.SystemRandom().randrange(2**32) if args.seed is None else args.seed
    for name in args.readers:
        print(f"{name}: {_fuzz(readers[name], args, start)}, seed {start}")


def _fuzz(reader: Reader, args: argparse.Namespace, start: int) -> str:
    """Feed one reader, and return what it has read."""
    counts = {"read": 0, "refused": 0}
    check, examples = checked(reader, args.keep, counts), reader.examples()
    number, slowest = 0, check.slowest  # type: ignore[attr-defined]
    until = time.monotonic() + 60 * args.minutes
    while number < args.rounds if args.rounds else time.monotonic() < until:
        run_round(check, examples, start + number)
        number += 1
    return (
        f"{counts['read']} read, {counts['refused']} refused, slowest {slowest[0]:.2f} s, "
        f"at most {peak_bytes() / 1e6:.0f} MB"
    )


def run_round(check: Callable[[Any], None], examples: st.SearchStrategy[Any], number: int) -> None:
    """Run the examples of one round, which its number decides."""
    health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    options = settings(
        max_examples=_ROUND, deadline=None, database=None, suppress_health_check=health
    )
    seed(number)(options(given(examples)(check)))()


def checked(reader: Reader, keep: Path, counts: dict[str, int]) -> Callable[[Any], None]:
    """Return a function that reads one example and checks what is promised of it."""
    slowest = [0.0]

    def check(data: Any) -> None:
        keep.mkdir(exist_ok=True)
        current = keep / "current"
        told = data if isinstance(data, bytes) else repr(data).encode("utf-8", "replace")
        current.write_bytes(told)  # what is left of a process that is killed
        faulthandler.dump_traceback_later(2 * MAX_SECONDS, exit=True)
        start = time.perf_counter()
        try:
            reader.read(data)
            counts["read"] += 1
        except reader.refusal:
            counts["refused"] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
        seconds = time.perf_counter() - start
        slowest[0] = max(slowest[0], seconds)
        assert seconds < MAX_SECONDS, f"{seconds:.1f} s"
        assert peak_bytes() < MAX_BYTES, f"{peak_bytes() / 1e6:.0f} MB"
        current.unlink()

    check.slowest = slowest  # type: ignore[attr-defined]
    return check


def peak_bytes() -> int:
    """Return the largest resident memory of this process so far."""
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])
