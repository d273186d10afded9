"""`bench --visitors N`: simulate a crowd of programs at a served page.

Every visitor records an answer about a marked picture with a marked prompt, or presses the same
example as others; some stop the recording, some disconnect. Each returned run must hold the
visitor's own prompt. Only servers on this machine are visited.
"""

from __future__ import annotations

import asyncio
import io
import json
import random
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import numpy as np
from PIL import Image

from explainer.commands.figure import Figure
from explainer.errors import SightlineError

MOST_VISITORS = 500
MOST_SECONDS = 900
LOCAL = ("127.0.0.1", "localhost", "::1")
PATIENCE = 300.0  # seconds for one answer
LINGER = 20.0  # seconds after the end in which visitors still wait; then they leave
SHARED, LEAVES, STOPS, COSTLY = 0.25, 0.08, 0.08, 0.05  # shares of the questions
SETTLE = 20.0  # seconds after the last visitor before what is left over is counted


@dataclass
class Tally:
    """The outcomes of the questions of a crowd."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    first_errors: dict[str, str] = field(default_factory=dict)

    def fail(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        self.first_errors.setdefault(kind, text[:200])


class RequestFailed(Exception):
    """A call that was refused or ended in an error."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def check(url: str, visitors: int, seconds: float) -> None:
    """Raise `SightlineError` for a crowd that is too large, or a server on another machine."""
    if not 1 <= visitors <= MOST_VISITORS or not 1 <= seconds <= MOST_SECONDS:
        raise SightlineError(
            f"a crowd has 1 to {MOST_VISITORS} visitors for 1 to {MOST_SECONDS} seconds"
        )
    if urlparse(url).hostname not in LOCAL:
        raise SightlineError("a crowd visits servers on this machine only, such as 127.0.0.1")


def measure(url: str, visitors: int, seconds: float, pid: int, folder: Path) -> Iterator[Figure]:
    """Yield the figures of a crowd at a served page.

    Args:
        pid: id of the serving process, to measure its memory, threads and files.
        folder: its temporary folder.
    """
    check(url, visitors, seconds)
    before = usage(pid, folder)
    tally = asyncio.run(_crowd(url, visitors, seconds))
    time.sleep(SETTLE)
    yield from _figures(tally, before, usage(pid, folder))


async def record_one(http: httpx.AsyncClient) -> tuple[str, list[int]]:
    """Record an answer; return the name of its run and the numbers of the chips of the answer."""
    visitor = _Visitor(http, Tally(), 0, 0)
    picture = await visitor.upload(_picture(0))
    question = {"picture": picture, "prompt": "Describe the image.", "max_new_tokens": 16}
    answer = await visitor.timed("record", question)
    chips = [chip["chip"] for chip in answer["chips"] if chip["role"] == "answer"]
    if not chips:
        raise SightlineError("the model said nothing that could be explained")
    return answer["run"], chips


def _figures(tally: Tally, before: dict[str, float], after: dict[str, float]) -> Iterator[Figure]:
    for kind, bar in (("answers", None), ("refusals", 0), ("mix-ups", 0), ("server errors", 0)):
        yield Figure(kind, tally.counts[kind], "", bar)
    for kind in ("other errors", "left", "stopped", "left at the end"):
        yield Figure(kind, tally.counts[kind], "", None)
    for kind, times in sorted(tally.seconds.items()):
        yield Figure(f"{kind}, median of {len(times)}", float(np.median(times)), "s", None)
        yield Figure(f"{kind}, 95 of 100", float(np.percentile(times, 95)), "s", None)
    for name, unit in USAGE.items():
        yield Figure(f"{name} before", before[name], unit, None)
        yield Figure(f"{name} after", after[name], unit, None)
    for kind, text in tally.first_errors.items():
        print(f"first of {kind}: {text}", flush=True)


USAGE = {"RSS": "MB", "threads": "", "open files": "", "temporary files": "", "their size": "MB"}


def usage(pid: int, folder: Path) -> dict[str, float]:
    """Return the resources that a process holds, by the names in `USAGE`."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "RSS": int(status["VmRSS"].split()[0]) / 1000,
        "threads": int(status["Threads"]),
        "open files": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "temporary files": len(files),
        "their size": sum(path.stat().st_size for path in files) / 1e6,
    }


# The crowd ---------------------------------------------------------------------------------------


async def _crowd(url: str, visitors: int, seconds: float) -> Tally:
    tally, end = Tally(), time.monotonic() + seconds
    limits = httpx.Limits(max_connections=4 * visitors, max_keepalive_connections=visitors)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits) as http:
        functions = (await http.get("/config")).json()["dependencies"]
        record = next(f["id"] for f in functions if f["api_name"] == "record")
        crowd = [_Visitor(http, tally, number, record) for number in range(visitors)]
        await asyncio.gather(*(visitor.stay(end) for visitor in crowd))
    return tally


class _Visitor:
    """A visitor who asks one question after another until the end.

    `record` is the index of that function, by which Gradio stops it.
    """

    def __init__(self, http: httpx.AsyncClient, tally: Tally, number: int, record: int) -> None:
        self._http, self._tally = http, tally
        self._number, self._record = number, record
        self._random = random.Random(number)

    async def stay(self, end: float) -> None:
        count = 0
        while time.monotonic() < end:
            count += 1
            try:
                asking = self._ask(f"visitor {self._number} question {count}")
                await asyncio.wait_for(asking, end + LINGER - time.monotonic())
            except TimeoutError:
                self._tally.counts["left at the end"] += 1
            except RequestFailed as error:
                self._tally.fail(error.kind, str(error))
                await asyncio.sleep(1.0)
            except httpx.HTTPError as error:
                self._tally.fail("other errors", repr(error))
                await asyncio.sleep(1.0)
            await asyncio.sleep(self._random.uniform(0, 2.0))

    async def _ask(self, mark: str) -> None:
        fate, is_shared = self._random.random(), self._random.random() < SHARED
        prompt = "Describe the image." if is_shared else f"Describe the image. {mark}"
        picture = await self.upload(_picture(0 if is_shared else zlib.crc32(mark.encode())))
        question = {"picture": picture, "prompt": prompt, "max_new_tokens": 16}
        if fate < LEAVES + STOPS:
            await self._give_up(question, stops=fate < STOPS)
            return
        answer = await self.timed("record", question)
        recorded = await self.timed("tokens", {"run": answer["run"], "top": 1})
        self._tally.counts["answers"] += 1
        if recorded["prompt"] != prompt:
            self._tally.fail("mix-ups", f"{prompt!r} became {recorded['prompt']!r}")
        words = [chip["chip"] for chip in answer["chips"] if chip["role"] == "answer"]
        if words:
            word = {"run": answer["run"], "subject": self._random.choice(words)}
            await self.timed("explain", {**word, "method": "tam"})
            if self._random.random() < COSTLY:
                costly = {**word, "method": "eagle", "knobs": {"regions": 12}}
                await self.timed("explain", costly, "explain by EAGLE")

    async def timed(self, name: str, question: dict[str, Any], label: str = "") -> Any:
        start = time.monotonic()
        async for kind, data in self._events(name, await self._begin(name, question)):
            if kind == "complete":
                self._tally.seconds[label or name].append(time.monotonic() - start)
                return data[0]
            if kind == "error":
                text = str((data or {}).get("error") if isinstance(data, dict) else data)
                busy = "try again" in text or "wait already" in text
                raise RequestFailed("refusals" if busy else "other errors", f"{name}: {text}")
        raise RequestFailed("other errors", f"{name}: the answer broke off")

    async def _begin(self, name: str, question: dict[str, Any]) -> str:
        found = await self._http.post(f"/gradio_api/call/v2/{name}", json=question)
        if found.status_code == 503:
            raise RequestFailed("refusals", f"{name}: {found.text}")
        if found.status_code != 200:
            kind = "server errors" if found.status_code >= 500 else "other errors"
            raise RequestFailed(kind, f"{name}: {found.status_code} {found.text}")
        return found.json()["event_id"]

    async def _events(self, name: str, event: str) -> AsyncIterator[tuple[str, Any]]:
        kind = ""
        async with self._http.stream("GET", f"/gradio_api/call/{name}/{event}") as lines:
            if lines.status_code >= 500:
                raise RequestFailed("server errors", f"{name}: {lines.status_code}")
            async for line in lines.aiter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    yield kind, json.loads(line[6:])

    async def _give_up(self, question: dict[str, Any], stops: bool) -> None:
        """Start a recording, and stop it or disconnect before the answer."""
        event = await self._begin("record", question)
        waiting = asyncio.ensure_future(self._wait(event))
        await asyncio.sleep(self._random.uniform(0, 0.3))
        if stops:
            body = {"session_hash": event, "fn_index": self._record, "event_id": event}
            await self._http.post("/gradio_api/cancel", json=body)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        self._tally.counts["stopped" if stops else "left"] += 1

    async def _wait(self, event: str) -> None:
        async for _ in self._events("record", event):
            pass

    async def upload(self, content: bytes) -> dict[str, Any]:
        files = {"files": ("mark.png", content, "image/png")}
        found = await self._http.post("/gradio_api/upload", files=files)
        if found.status_code != 200:
            kind = "server errors" if found.status_code >= 500 else "other errors"
            raise RequestFailed(kind, f"upload: {found.status_code} {found.text}")
        return {"path": found.json()[0], "meta": {"_type": "gradio.FileData"}}


def _picture(seed: int) -> bytes:
    """Return a PNG of coloured squares, different for each seed."""
    cells = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(cells).resize((320, 240), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()
