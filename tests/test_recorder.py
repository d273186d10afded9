"""A recorder of two replicas with Ray: its answers, and what becomes of them when replicas end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

import psutil
import pytest

from explainer.errors import ModelError, SightlineError
from explainer.media.images import open_image
from explainer.recording.load import load
from explainer.serving.jobs import RecordJob
from explainer.serving.recorder_client import RecorderClient
from explainer.serving.remote_models import AGAIN, LOST, RemoteModels
from tests.app_process import PICTURE, record, started_app, started_recorder, upload
from tests.serving.test_wire import make_jobs, same

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("ray") is None,
        reason="Ray is not installed: pip install -r explainer/serving/requirements.txt",
    ),
]
OPTIONS = {"max_new_tokens": 64}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started_recorder(tmp_path_factory.mktemp("recorder"), 2) as url:
        yield url


@pytest.fixture
def models(address: str) -> RemoteModels:
    return RemoteModels(RecorderClient(address))


def make_job(scales: tuple[float, ...] = (0.5, 0.75)) -> RecordJob:
    return RecordJob((open_image(PICTURE).pixels,), "Describe the image.", scales, OPTIONS)


def replicas() -> list[psutil.Process]:
    """Return the processes of the replicas on this machine."""
    return [p for p in psutil.process_iter(["cmdline"]) if _is_replica(p)]


def _is_replica(process: psutil.Process) -> bool:
    return "ServeReplica:recorder" in " ".join(process.info["cmdline"] or ())


def kill_replicas(which: list[psutil.Process]) -> None:
    for process in which:
        process.kill()
    psutil.wait_procs(which, 30)


def test_a_model_that_cannot_be_loaded_is_said_so(tmp_path):
    recorder = started_recorder(tmp_path, 1, "--model", str(tmp_path / "none"))
    with pytest.raises(RuntimeError, match=r"explainer recorder: .*none"), recorder:
        pass


def test_a_replica_does_all_jobs_as_a_model_in_this_process_does(models):
    *steps, run = models.run_job(make_job())
    assert run.answer == "".join(s.text for s in steps if s.kind == "token")
    assert models.replicas == 2
    assert models.facts(run.model_id)["device"] == "cpu"
    explainer = load(device="cpu")
    for job in make_jobs(run):
        (*_, got), (*_, want) = models.run_job(job), job.steps(explainer)
        assert same(got, want), type(job).__name__


def test_an_answer_whose_replica_is_killed_is_recorded_once_more(models):
    *_, want = models.run_job(make_job())
    steps, before = models.run_job(make_job()), {p: p.cpu_times().user for p in replicas()}
    assert len(before) == 2
    items = [next(steps) for _ in range(4)]
    assert items[-1].kind == "token"
    kill_replicas([max(before, key=lambda p: p.cpu_times().user - before[p])])
    items += steps
    assert items.count(AGAIN) == 1
    assert items[-1].answer == want.answer
    told = items[items.index(AGAIN) :]
    assert "".join(i.text for i in told if getattr(i, "kind", "") == "token") == want.answer


def test_a_page_without_a_model_answers_by_the_recorder(address, tmp_path):
    with started_app(tmp_path, "--recorder", address) as (_, http):
        ready = http.get("readyz").json()
        assert (ready["status"], ready["model"]) == ("ready", "emoji-qwen2-vl")
        answer, *_ = record(http, upload(http), "Describe the image.")
        assert answer["chips"]


def test_an_answer_whose_replicas_are_killed_twice_is_said_so(models):
    def kill(item):
        if item.kind == "read":
            kill_replicas(replicas())

    with pytest.raises(ModelError, match=LOST):
        deque(map(kill, models.run_job(make_job())), 0)


def test_replicas_take_a_gpu_where_there_is_one():
    from explainer.serving.recorder_replicas import ReplicaPlan, choose_needs

    plan = ReplicaPlan({"device": "auto"}, 2, 2, "127.0.0.1", 8000)
    assert choose_needs(plan, {"CPU": 8, "GPU": 2}) == {"num_cpus": 1, "num_gpus": 1}
    assert choose_needs(plan, {"CPU": 2}) == {"num_cpus": 1, "num_gpus": 0}
    on_cpu = replace(plan, options={"device": "cpu"})
    assert choose_needs(on_cpu, {"CPU": 2, "GPU": 2}) == {"num_cpus": 1, "num_gpus": 0}
    with pytest.raises(SightlineError, match="take 2 GPUs, and here are 1"):
        choose_needs(plan, {"CPU": 8, "GPU": 1})
