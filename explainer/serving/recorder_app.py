"""A recorder as an ASGI app: it runs jobs on its model, and sends their steps as they come.

| request | answer |
| --- | --- |
| `GET /model` | JSON on the model: id, facts, and how many replicas there are |
| `POST /job` with the message of a job | messages: its items, and `JobEnd` as the last one |

The format of messages is that of `wire`. A job ends at its next step when the client leaves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from explainer.errors import SightlineError
from explainer.models.loading.catalogue import Entry
from explainer.serving.facts import collect_facts
from explainer.serving.jobs import Job, RunJob
from explainer.serving.loaded import Loaded
from explainer.serving.wire import MOST_BYTES, JobEnd, WireError, decode, encode

log = logging.getLogger(__name__)

FAILED = "the recorder failed; its log says why"


def describe_model(explainer: Loaded, entry: Entry, replicas: int) -> dict[str, Any]:
    """Return what `GET /model` answers: JSON values."""
    return {
        "id": explainer.model_id,
        "model_type": entry.model_type,
        "parameters": entry.parameters,
        "licence": entry.licence,
        "revision": entry.revision,
        "facts": collect_facts(explainer),
        "replicas": replicas,
    }


def make_app(explainer: Loaded, told: Mapping[str, Any], most_bytes: int = MOST_BYTES) -> Starlette:
    """Return the app.

    Args:
        explainer: runs the jobs.
        told: the answer of `GET /model`.
        most_bytes: the largest job that is read.
    """

    async def tell_model(request: Request) -> Response:
        return JSONResponse(told)

    async def run_job(request: Request) -> Response:
        data = bytearray()
        async for piece in request.stream():
            data += piece
            if len(data) > most_bytes:
                return PlainTextResponse(f"a job has at most {most_bytes:,} bytes", 413)
        try:
            job = await asyncio.to_thread(decode, bytes(data))
            if not isinstance(job, Job):
                raise WireError("the message holds no job")
        except (WireError, SightlineError) as error:
            return PlainTextResponse(f"no job: {error}", 400)
        return _JobResponse(_stream(explainer, job), media_type="application/octet-stream")

    return Starlette(routes=[Route("/model", tell_model), Route("/job", run_job, methods=["POST"])])


class _JobResponse(StreamingResponse):
    """Ends the job whenever the response ends, also where nobody reads it any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.body_iterator.aclose()  # type: ignore[attr-defined]


async def _stream(explainer: Loaded, job: Job) -> AsyncGenerator[bytes, None]:
    """Yield the messages of a job, which runs in a thread of its own."""
    messages, thread = _run(explainer, job), ThreadPoolExecutor(1, "job")
    loop = asyncio.get_running_loop()
    try:
        while (message := await loop.run_in_executor(thread, next, messages, None)) is not None:
            yield message
    finally:
        thread.submit(messages.close)  # after the step that may still be under way
        thread.shutdown(wait=False)


def _run(explainer: Loaded, job: Job) -> Generator[bytes, None, None]:
    """Yield the messages of a job, and its end as the last one."""
    known = job.run if isinstance(job, RunJob) else None
    end = JobEnd()
    try:
        with closing(job.steps(explainer)) as steps:  # type: ignore[type-var]
            for item in steps:
                yield encode(item, known)
    except SightlineError as error:
        end = JobEnd.of(error)
    except Exception as error:
        log.exception("a job failed", exc_info=error)
        end = JobEnd(RuntimeError.__name__, FAILED)
    yield encode(end)
