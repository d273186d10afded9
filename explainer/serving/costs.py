"""Estimate the cost of a job in forward passes over the picture, and choose its lane.

The cost depends on the job alone, so it is the same for the page and the API, and is known before
the model is run.
"""

from __future__ import annotations

from typing import NamedTuple

from explainer.errors import BusyError
from explainer.serving.jobs import FollowUpJob, Job, RecordJob
from explainer.serving.lanes import ANSWERS, LONG_ANSWERS, READINGS, SEARCHES, Lane

MOST_READINGS = 6_000  # per call; EAGLE with 64 regions takes 944 for a word
FEW_READINGS = 4
MOST_PICTURES = 4  # largest for an answer that does not count as long
MOST_TOKENS = 128
TOO_MUCH = (
    "this takes about {asked:,} readings of the picture, and the limit of a call is {most:,}; "
    "choose fewer words, methods, regions or steps"
)


class Cost(NamedTuple):
    """The lane of a job, and its approximate number of forward passes over the picture."""

    lane: Lane
    readings: int


def estimate_cost(job: Job) -> Cost:
    """Return the cost of a job and its lane."""
    if isinstance(job, RecordJob | FollowUpJob):
        lane = LONG_ANSWERS if _is_long(job) else ANSWERS
    else:
        lane = READINGS if job.readings <= FEW_READINGS else SEARCHES
    return Cost(lane, job.readings)


def _is_long(job: RecordJob | FollowUpJob) -> bool:
    return (
        job.pictures > MOST_PICTURES
        or job.options.get("max_new_tokens", 0) > MOST_TOKENS
        or job.options.get("layers", "last") != "last"
    )


def check_budget(readings: int) -> None:
    """Raise `BusyError` if a call exceeds `MOST_READINGS`."""
    if readings > MOST_READINGS:
        raise BusyError(TOO_MUCH.format(asked=readings, most=MOST_READINGS))
