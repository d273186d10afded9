"""The client of a recorder: a model on another machine that runs jobs (`recorder_service`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx

from explainer.errors import BusyError, ModelError
from explainer.serving.jobs import Job, RunJob
from explainer.serving.wire import JobEnd, WireError, encode, read_messages

log = logging.getLogger(__name__)

CONNECT, PATIENCE = 10.0, 600.0  # seconds: until it answers, and between two steps
PROBE = 1.0  # seconds for an answer after it was away
MODEL_PATH, JOB_PATH = "model", "job"
BUSY = "the recorder is busy with the questions of others; try again in a moment"
TOO_LARGE = (
    "this is more than the recorder takes at once; use fewer or smaller pictures, or fewer layers"
)
OTHER_VERSION = (
    "the recorder does not understand this page; its owner has to run the same version of both"
)
AWAY = (
    "the recorder does not answer, so nothing new can be asked just now; what is recorded stays. "
    "Try again in a minute"
)


class LostRecorder(Exception):
    """The recorder, or the replica that worked on a job, ended before the job did."""


class RecorderClient:
    """Runs jobs on the replicas of a recorder. Thread-safe.

    Args:
        address: of the recorder, such as http://gpu-1:8000.

    Attributes:
        told: what the recorder tells of its model, see `recorder_service`.

    Raises `ModelError` if no recorder answers there.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ModelError(
                f"{address!r:.80} is no address of a recorder; write one such as http://gpu-1:8000"
            )
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        timeout = httpx.Timeout(PATIENCE, connect=CONNECT)
        self._is_away = False
        self._http = httpx.Client(base_url=address, timeout=timeout, limits=limits)
        try:
            answer = self._http.get(MODEL_PATH, timeout=CONNECT).raise_for_status().json()
            self.told = {"id": str(answer["id"]), **answer}
        except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
            log.warning("no recorder at %s: %s", address, error)
            raise ModelError(
                f"no recorder answers at {address}; start one there with: "
                "python -m explainer recorder"
            ) from None

    @property
    def model_id(self) -> str:
        """Return the id of the model that the recorder runs."""
        return self.told["id"]

    def answers(self) -> bool:
        """Return whether the recorder answers; it is asked only if it was away the last time."""
        if self._is_away:
            try:
                self._http.get(MODEL_PATH, timeout=PROBE).raise_for_status()
                self._is_away = False
            except httpx.HTTPError:
                pass
        return not self._is_away

    def steps(self, job: Job) -> Iterator[Any]:
        """Yield the steps of a job as the recorder sends them.

        Closing the generator ends the job there. Raises what the job raises for people, and:

        Raises:
            LostRecorder: it ended in the middle.
            BusyError: too many jobs wait there already.
            ModelError: it does not answer, or refuses the size of the job.
        """
        known = job.run if isinstance(job, RunJob) else None
        try:
            with self._http.stream("POST", JOB_PATH, content=encode(job)) as answer:
                self._is_away = answer.status_code == httpx.codes.NOT_FOUND  # Ray without replicas
                if answer.status_code != 200:
                    _refuse(answer.status_code)
                for item in read_messages(answer.iter_bytes(), known):
                    if isinstance(item, JobEnd):
                        item.raise_error()
                        return
                    yield item
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            log.warning("the recorder does not answer: %s", error)
            self._is_away = True
            raise ModelError(AWAY) from None
        except (httpx.HTTPError, WireError) as error:
            log.warning("a job at the recorder broke off: %s", error)
            raise LostRecorder from error
        raise LostRecorder("the answer ended before the job")


def _refuse(status: int) -> NoReturn:
    if status == httpx.codes.NOT_FOUND:
        raise ModelError(AWAY)
    if status == httpx.codes.BAD_REQUEST:
        raise ModelError(OTHER_VERSION)
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        raise ModelError(TOO_LARGE)
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        raise BusyError(BUSY)
    log.warning("the recorder answered with status %d", status)
    raise LostRecorder(f"status {status}")
