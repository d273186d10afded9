"""What a job costs, in readings of the picture by the model, and the lane that it waits in.

The cost follows from the job alone, so it is the same whichever way a call came, and it is known
before anything is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from explainer.errors import BusyError
from explainer.probing.eagle_search import count
from explainer.run import Video
from explainer.serving.jobs import Job, Media, Wanted
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
    if job.run is None:
        pictures = _pictures(job.media)
        options = job.options
        is_long = (
            pictures > MOST_PICTURES
            or options.get("max_new_tokens", 0) > MOST_TOKENS
            or options.get("layers", "last") != "last"
        )
        return Cost(LONG_ANSWERS if is_long else ANSWERS, pictures * (1 + len(job.scales)))
    readings = _added(job)
    return Cost(READINGS if readings <= FEW_READINGS else SEARCHES, readings)


def check_budget(readings: int) -> None:
    """Raise `BusyError` for more readings than one call may take."""
    if readings > MOST_READINGS:
        raise BusyError(TOO_MUCH.format(asked=readings, most=MOST_READINGS))


def _pictures(media: Media) -> int:
    return max(1, len(media.frames) // 2 if isinstance(media, Video) else len(media))


def _added(job: Job) -> int:
    """Return the readings of what is added to a run: each reads all its pictures."""
    return (
        len(job.scales)
        + len(job.regions)
        + job.plan.readings * len(job.maps)
        + (2 if job.evidence else 0)
        + (1 if job.words else 0)
        + (0 if job.answer is None else 2)
        + _of_maps(job.attributions)
    )


def _of_maps(attributions: Sequence[Wanted]) -> int:
    """Return the readings for maps: a forward and a backward pass for a word, or EAGLE's search."""
    return sum(
        len(wanted.tokens)
        * (count(int(wanted.knobs["regions"])) if "regions" in wanted.knobs else 2)
        for wanted in attributions
    )
