"""A recorder as replicas of Ray Serve, which starts, watches, restarts and balances them.

This module needs Ray: `pip install -r explainer/serving/requirements.txt`.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

# Read when ray is imported. Its HTTP server has to start within the second, else Ray begins anew.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")

import ray
from ray import serve
from starlette.applications import Starlette

from explainer.errors import ModelError, SightlineError
from explainer.models.loading.catalogue import entry_for
from explainer.serving.lanes import MOST_RUNNING

STORE = 400 << 20  # bytes of shared memory for jobs on their way; more goes to disk
MOST_WAITING = 500  # jobs that wait for a replica; further ones are refused
RETRIES = 2  # of a replica that cannot load the model
NAME = "recorder"


@dataclass(frozen=True)
class ReplicaPlan:
    """How replicas are run.

    Attributes:
        options: arguments of `explainer.load`, "model_or_path" among them.
        fewest, most: how many replicas; Ray Serve chooses a number between, by the jobs.
        host, port: the address that they are asked at.
    """

    options: Mapping[str, Any]
    fewest: int
    most: int
    host: str
    port: int


@contextmanager
def started(plan: ReplicaPlan) -> Iterator[str]:
    """Start the replicas, yield their address, and end them afterwards.

    Where RAY_ADDRESS names a cluster, they run there; else on this machine.

    Raises `SightlineError` if there are too few GPUs or cores, or the model cannot be loaded.
    """
    own = {} if os.environ.get("RAY_ADDRESS") else {
        "address": "local",  # not a cluster that happens to run here
        "include_dashboard": False,  # whoever reaches it can run code here
        "object_store_memory": STORE,
    }  # fmt: skip
    ray.init(log_to_driver=False, **own)
    try:
        needs = choose_needs(plan, ray.cluster_resources())
        with suppress(TimeoutError):  # its HTTP server may start after the replicas
            serve.start(http_options={"host": plan.host, "port": plan.port})
        try:
            serve.run(_make_application(plan, needs), name=NAME, route_prefix="/")
        except RuntimeError as error:
            raise ModelError(_explain_failure(error)) from None
        yield f"http://{plan.host}:{plan.port}"
    finally:
        if serve.status().applications:
            serve.delete(NAME)
        ray.shutdown()


def _explain_failure(error: RuntimeError) -> str:
    """Return why replicas did not start: what the model's loading says, if that is known."""
    deployments = serve.status().applications[NAME].deployments.values()
    told = "\n".join(deployment.message for deployment in deployments)
    if found := re.search(r"explainer\.errors\.\w+: (.*)", told):
        return found[1]
    return (
        f"the replicas did not start; the logs of Ray (session_latest/logs/serve) say why: {error}"
    )


def wait_for_end() -> None:
    """Return at SIGTERM; Ctrl-C raises `KeyboardInterrupt`."""
    ended = Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    ended.wait()


def choose_needs(plan: ReplicaPlan, has: Mapping[str, float]) -> dict[str, float]:
    """Return what a replica takes of the cluster: a core, and a GPU where there are any."""
    on_gpu = has.get("GPU", 0) >= 1 and plan.options.get("device") in (None, "auto", "cuda")
    unit, there = ("GPU", has["GPU"]) if on_gpu else ("CPU", has.get("CPU", 0))
    if plan.fewest > there:
        raise SightlineError(
            f"{plan.fewest} replicas take {plan.fewest} {unit}s, and here are {there:g}; start "
            "fewer with --replicas"
        )
    return {"num_cpus": 1, "num_gpus": float(on_gpu)}


def _make_application(plan: ReplicaPlan, needs: Mapping[str, float]) -> serve.Application:
    options, most = dict(plan.options), plan.most

    def build() -> Starlette:
        from explainer.recording.load import BUNDLED, load
        from explainer.serving.recorder_app import describe_model, make_app

        explainer = load(**options)
        entry = entry_for(str(options.get("model_or_path", BUNDLED)), options.get("revision"))
        return make_app(explainer, describe_model(explainer, entry, most))

    scaling = (
        {"num_replicas": plan.fewest}
        if plan.fewest == plan.most
        else {"autoscaling_config": {"min_replicas": plan.fewest, "max_replicas": plan.most}}
    )
    return serve.deployment(
        serve.ingress(build)(),
        name=NAME,
        ray_actor_options=dict(needs),
        max_ongoing_requests=MOST_RUNNING,  # which take turns at the model
        max_queued_requests=MOST_WAITING,
        max_constructor_retry_count=RETRIES,
        **scaling,
    ).bind()
