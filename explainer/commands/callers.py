"""`bench --callers N`: measure how many calls a second a served page answers.

Programs explain words of one run, one call after the other. Only servers on this machine are used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from explainer.commands import crowd
from explainer.commands.figure import Figure

METHOD = "tam"  # needs no model, and some milliseconds of arithmetic
WANTED = 100  # calls a second, see WAYS
WARM_UP = 2.0  # seconds of calls that do not count

Explain = Callable[[httpx.AsyncClient, str, int], Awaitable[bool]]


@dataclass
class _Count:
    """Answered calls, and the seconds that each took; calls that were refused, or broke off."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    broken: int = 0


def measure(url: str, callers: int, seconds: float) -> Iterator[Figure]:
    """Yield calls a second of `/explain`, refusals and latencies, for both ways to call it."""
    crowd.check(url, callers, seconds)
    yield from asyncio.run(_measure(url, callers, seconds))


async def _measure(url: str, callers: int, seconds: float) -> list[Figure]:
    limits = httpx.Limits(max_connections=2 * callers, max_keepalive_connections=2 * callers)
    async with httpx.AsyncClient(base_url=url, timeout=crowd.PATIENCE, limits=limits) as http:
        run, chips = await crowd.record_one(http)
        figures: list[Figure] = []
        for name, (explain, bar) in WAYS.items():
            await _call(http, explain, run, chips, callers, WARM_UP)
            start = time.monotonic()
            count = await _call(http, explain, run, chips, callers, seconds)
            rate = len(count.seconds) / (time.monotonic() - start)
            figures += [
                Figure(f"/explain {name}, {callers} callers", rate, "calls/s", bar, at_least=True),
                Figure("refused", count.refused, "", 0),
                Figure("broken connections", count.broken, "", None),
                Figure("median", 1000 * float(np.median(count.seconds or [np.inf])), "ms", None),
                Figure("95 of 100", 1000 * _percentile(count.seconds, 95), "ms", None),
            ]
    return figures


def _percentile(seconds: list[float], share: float) -> float:
    return float(np.percentile(seconds or [np.inf], share))


async def _call(
    http: httpx.AsyncClient, explain: Explain, run: str, chips: list[int], callers: int, long: float
) -> _Count:
    count, end = _Count(), time.monotonic() + long

    async def stay(number: int) -> None:
        turn = number
        while (start := time.monotonic()) < end:
            turn += 1
            try:
                answered = await explain(http, run, chips[turn % len(chips)])
            except httpx.HTTPError:
                count.broken += 1
                continue
            if answered:
                count.seconds.append(time.monotonic() - start)
            else:
                count.refused += 1

    await asyncio.gather(*(stay(number) for number in range(callers)))
    return count


async def _at_once(http: httpx.AsyncClient, run: str, chip: int) -> bool:
    """Explain a word in one request."""
    values: list[Any] = [run, chip, METHOD]
    answer = await http.post("/gradio_api/run/explain", json={"data": [*values, "", {}, 0]})
    return answer.status_code == 200


async def _queued(http: httpx.AsyncClient, run: str, chip: int) -> bool:
    """Explain a word by a request that begins the call and one that waits for its events."""
    body = {"run": run, "subject": chip, "method": METHOD}
    started = await http.post("/gradio_api/call/v2/explain", json=body)
    if started.status_code != 200:
        return False
    answer = await http.get(f"/gradio_api/call/explain/{started.json()['event_id']}")
    return "event: complete" in answer.text


WAYS: dict[str, tuple[Explain, float | None]] = {
    "in one request": (_at_once, WANTED),
    "through the queue": (_queued, None),
}
