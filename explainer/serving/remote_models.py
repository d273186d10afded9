"""The one model of a page whose recorder is on another machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from explainer.errors import ModelError
from explainer.models.loading.catalogue import OWN, Entry
from explainer.probing.eagle_search import SearchProgress
from explainer.recording.step import Step
from explainer.serving.held_model import HeldModel
from explainer.serving.jobs import Job
from explainer.serving.loaded import Loaded
from explainer.serving.model_pool import Models
from explainer.serving.recorder_client import LostRecorder, RecorderClient
from explainer.serving.rules import Rules

ELSEWHERE = "The model runs on another machine, whose owner chooses it."
LOST = (
    "the recorder ended in the middle of this, and again when it was asked once more; nothing was "
    "kept. Try again in a minute"
)
LOST_ONCE = "the recorder ended in the middle of this, and nothing was kept; try again"
AGAIN = Step("again", "", 1, 1)  # all steps so far are void


class RemoteModels(Models):
    """The model of a recorder: its jobs are sent there. Thread-safe.

    A job whose replica ends in the middle is sent once more, to another one, unless it has yielded
    more than progress.
    """

    def __init__(self, recorder: RecorderClient) -> None:
        self._recorder, told = recorder, recorder.told
        entry = Entry(
            recorder.model_id,
            str(told.get("model_type", "")),
            int(told.get("parameters", 0)),
            licence=str(told.get("licence", "")),
            kind=OWN,
            revision=told.get("revision"),
        )
        super().__init__([entry], self._refuse, Rules(at_start_only=True, why=ELSEWHERE))
        self._slots[entry.id] = HeldModel(entry, recorder)
        self._facts = {**told["facts"], "alphas": tuple(told["facts"]["alphas"])}
        self.replicas = int(told["replicas"])

    def expect_start(self) -> None:
        """Expect nothing: the model is loaded."""

    def start(self) -> None:
        """Load nothing."""

    def ready(self, model: str) -> bool:
        """Return whether this is the model of the recorder, and the recorder answers."""
        return super().ready(model) and self._recorder.answers()

    def facts(self, model: str) -> dict[str, Any]:
        """Return what the recorder tells of its model, as `collect_facts` does; {} of others."""
        return self._facts if model == self.default else {}

    def run_job(self, job: Job) -> Iterator[Any]:
        """Yield the steps of a job as the recorder sends them.

        Where they begin anew, `AGAIN` comes between.
        """
        last = None
        try:
            for item in self._recorder.steps(job):
                last = item
                yield item
            return
        except LostRecorder:
            if not isinstance(last, Step | SearchProgress | None):
                raise ModelError(LOST_ONCE) from None
        if isinstance(last, Step):
            yield AGAIN
        try:
            yield from self._recorder.steps(job)
        except LostRecorder:
            raise ModelError(LOST) from None

    def _refuse(self, entry: Entry, **how: Any) -> Loaded:
        raise ModelError(self._explain_absence(entry))
