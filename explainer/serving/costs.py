"""What a job costs, in readings of the picture by the model, and the lane that it waits in.

The cost follows from the job alone, so it is the same whichever way a call came, and it is known
before anything is run.
"""

from __future__ import annotations

from typing import NamedTuple

from explainer.errors import BusyError
from explainer.serving.jobs import Job, RecordJob
from explainer.serving.lanes import ANSWERS, LONG_ANSWERS, READINGS, SEARCHES, Lane

MOST_READINGS = 6_000  # of one call; EAGLE with 64 regions takes 944 for a word
FEW_READINGS = 4
MOST_PICTURES = 4  # of an answer that does not count as long
MOST_TOKENS = 128
TOO_MUCH = (
    "this takes about {asked:,} readings of the picture, and one call may take {most:,}; "
    "choose fewer words, methods, regions or steps"
)


class Cost(NamedTuple):
    """Readings of the picture by the model, about, and the lane for that."""

    lane: Lane
    readings: int


def cost_of(job: Job) -> Cost:
    """Return what a job costs."""
    if isinstance(job, RecordJob):
        lane = LONG_ANSWERS if _is_long(job) else ANSWERS
    else:
        lane = READINGS if job.readings <= FEW_READINGS else SEARCHES
    return Cost(lane, job.readings)


def _is_long(job: RecordJob) -> bool:
    return (
        job.pictures > MOST_PICTURES
        or job.options.get("max_new_tokens", 0) > MOST_TOKENS
        or job.options.get("layers", "last") != "last"
    )


def check_budget(readings: int) -> None:
    """Raise `BusyError` for more readings than one call may take."""
    if readings > MOST_READINGS:
        raise BusyError(TOO_MUCH.format(asked=readings, most=MOST_READINGS))
