"""Check on any checkpoint, by measurement, what every method relies on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from explainer.errors import SightlineError
from explainer.evaluation.contract_checks import CHECKS, explained
from explainer.evaluation.contract_subject import Failed, Skipped, Subject
from explainer.methods import METHODS
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER

PASS, FAIL, SKIPPED = "pass", "FAIL", "skipped"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: what was checked.
        verdict: `PASS`, `FAIL` or `SKIPPED`.
        measured: the measured value.
        bound: the required value.
    """

    name: str
    verdict: str
    measured: str
    bound: str


def run_checks(
    explainer: Explainer, seconds: dict[str, float], thinking: bool = False
) -> Iterator[Finding]:
    """Yield the result of each check, and write the seconds of each phase into `seconds`.

    `thinking` checks an answer that opens with a thought. Errors that a checkpoint causes become
    findings and are not raised.
    """
    subject = None

    def record(_: None) -> str:
        nonlocal subject
        subject = Subject.record(explainer, seconds, thinking)
        run = subject.run
        return f"{len(run.indices(ANSWER))} tokens, {len(run.scales)} scales"

    yield _judge("a picture and a prompt can be recorded", "recorded", record, None)
    if subject is None:
        return
    for name, bound, check in CHECKS:
        yield _judge(name, bound(subject) if callable(bound) else bound, check, subject)
    for name in METHODS:
        check = partial(explained, name=name)
        yield _judge(f"explained by {name}", "finite, in range", check, subject)


def _judge(name: str, bound: str, check: Callable[[Any], str], subject: Any) -> Finding:
    try:
        return Finding(name, PASS, check(subject), bound)
    except Skipped as reason:
        return Finding(name, SKIPPED, str(reason), bound)
    except (Failed, SightlineError) as reason:
        return Finding(name, FAIL, _line(reason), bound)
    except Exception as error:  # a broken checkpoint can raise any error
        return Finding(name, FAIL, f"{type(error).__name__}: {_line(error)}", bound)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
