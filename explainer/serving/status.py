"""What a server tells probes and Prometheus about itself: readiness, queue, store and counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explainer.run.store import RunStore
from explainer.serving.calls import Calls
from explainer.serving.metrics import format_metric
from explainer.serving.model_pool import Models
from explainer.serving.no_models import NoModels

READY, LOADING, FAILED, ENDING = "ready", "loading", "failed", "ending"


class ServerStatus:
    """The state of one server.

    Args:
        models: the models that it offers.
        store: the runs that it keeps.
        calls: the calls that it answers.

    Attributes:
        has_metrics: whether `/metrics` is answered.
    """

    def __init__(self, models: Models, store: RunStore, calls: Calls) -> None:
        self.models, self.store, self.calls = models, store, calls
        self.has_metrics = False

    @property
    def state(self) -> str:
        """Return `ready` if a question would be taken, else `loading`, `failed` or `ending`."""
        if self.calls.scheduler.closed:
            return ENDING
        if isinstance(self.models, NoModels):  # recorded runs can be opened
            return READY
        loading = {progress.name for progress in self.models.loading()}
        default_is_coming = self.models.default in loading
        if self.models.ready(self.models.current().id) and not default_is_coming:
            return READY
        return LOADING if loading else FAILED

    def describe(self) -> dict[str, Any]:
        """Return state, model, loads under way and queue, as JSON values."""
        return {
            "status": self.state,
            "model": self.models.current().id,
            "loading": [
                {"model": at.name, "stage": at.stage, "fraction": at.fraction}
                for at in self.models.loading()
            ],
            "queue": {
                lane: {"running": running, "waiting": waiting}
                for lane, (running, waiting) in self.calls.scheduler.count_work().items()
            },
        }

    def format_metrics(self) -> str:
        """Return all metrics in the text format of Prometheus."""
        work = self.calls.scheduler.count_work()
        running = {(("lane", lane),): count for lane, (count, _) in work.items()}
        waiting = {(("lane", lane),): count for lane, (_, count) in work.items()}
        ready = float(self.state == READY)
        gauges: list[tuple[str, str, Mapping[Any, float]]] = [
            ("ready", "1 if a question would be taken, else 0.", {(): ready}),
            ("queue_running", "Works that take turns at the model.", running),
            ("queue_waiting", "Works that wait to begin.", waiting),
            ("runs", "Recorded runs in memory.", {(): len(self.store)}),
            ("runs_bytes", "Bytes of the recorded runs.", {(): self.store.nbytes}),
        ]
        lines = [format_metric(name, "gauge", about, values) for name, about, values in gauges]
        return self.calls.metrics.format() + "".join(lines)
