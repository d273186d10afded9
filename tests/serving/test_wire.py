"""Messages between a page and its recorder: all jobs and results, and bytes that are none."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from explainer.errors import RunError, SightlineError
from explainer.methods import METHODS, find_method
from explainer.methods.subjects import Span
from explainer.probing.curves import CurvePlan
from explainer.probing.region_plan import RegionPlan
from explainer.probing.regions import shown_by
from explainer.probing.tiling import Tiling
from explainer.run import ANSWER, Run
from explainer.serving import jobs, wire
from explainer.serving.wire import JobEnd, WireError, decode, encode, read_messages
from tests.ui.fake import FakeExplainer, fake_run


def make_jobs(run: Run) -> list[jobs.Job]:
    """Return one job of each kind."""
    cat = int(run.indices(ANSWER)[1])
    heat = METHODS["tam"](run, cat)
    tiling = Tiling.of(run, 4, parts="cells")
    options = {"max_new_tokens": 3, "layers": "last"}
    settings = find_method("grad_cam").settings()
    return [
        jobs.RecordJob((run.image,), "What?", (0.5,), options, model="m", name="n"),
        jobs.FollowUpJob(run, "And now?", {"max_new_tokens": 3}),
        jobs.LayerBytesJob((run.image,), "What?", {**options, "scales": (0.5, 1.0)}),
        jobs.ScalesJob(run, (1.25,)),
        jobs.WordsJob(run, (" cat",)),
        jobs.AnswerJob(run, "A dog"),
        jobs.EvidenceJob(run),
        jobs.SourcesJob(run),
        jobs.MapsJob(run, (jobs.MapRequest("grad_cam", (cat,), settings),)),
        jobs.HidingJob(run, (shown_by(heat),), "mean"),
        jobs.RegionsJob(run, Span((cat,)), RegionPlan(4, "cells"), tiling),
        jobs.CorrectionJob(run, tiling, np.arange(len(tiling)), run.tokens.texts[cat], 1),
        jobs.CurvesJob(run, (heat,), CurvePlan("mean", 2)),
    ]


def same(one, other) -> bool:
    """Return whether two values hold the same, whatever their identity."""
    if isinstance(one, Run):
        seconds = {"settings": {}}
        one, other = (replace(run, **seconds) for run in (one, other))
    if is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)
        )
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype != bool)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, tuple | list):
        pairs = zip(one, other, strict=True)
        return type(one) is type(other) and all(same(*pair) for pair in pairs)
    return type(one) is type(other) and one == other


def test_all_jobs_and_all_that_comes_of_them_can_be_sent():
    explainer, run = FakeExplainer(), fake_run()
    made = make_jobs(run)
    kinds = {kind for kind in vars(jobs).values() if isinstance(kind, type)}
    kinds = {k for k in kinds if issubclass(k, jobs.Job) and k not in (jobs.Job, jobs.RunJob)}
    assert {type(job) for job in made} == kinds
    for job in made:
        sent = decode(encode(job))
        assert same(sent, job)
        known = sent.run if isinstance(sent, jobs.RunJob) else None
        messages = [encode(item, known) for item in sent.steps(explainer)]
        mine = job.run if isinstance(job, jobs.RunJob) else None
        got = list(read_messages(messages, mine))
        want = list(job.steps(explainer))
        assert got
        assert all(same(*pair) for pair in zip(got, want, strict=True))


def test_a_run_is_sent_once_and_not_back():
    run = fake_run()
    tiling = Tiling.of(run, 4, parts="cells")
    whole = jobs.RegionsJob(run, None, RegionPlan(4), tiling)
    assert len(json.loads(encode(whole).split(b"\n", 1)[0])["parts"]) == 2, "run and labels"
    sent = decode(encode(whole))
    assert sent.tiling.run is sent.run
    (back,) = read_messages([encode(tiling, run)], run)
    assert back.run is run


def test_messages_come_in_pieces_of_any_size():
    data = b"".join(encode(value) for value in (np.arange(5), "two", JobEnd()))
    for size in (1, 7, len(data)):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        first, *rest = read_messages(pieces)
        np.testing.assert_array_equal(first, np.arange(5))
        assert rest == ["two", JobEnd()]
    with pytest.raises(WireError, match="cut off"):
        list(read_messages([data[:-3]]))


def told(value, *parts: bytes) -> bytes:
    line = {"value": value, "parts": [len(part) for part in parts]}
    return json.dumps(line).encode() + b"\n" + b"".join(parts)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04K\x01.\n",
        b"[1]\n",
        b'{"value": 1, "parts": [-1]}\n',
        b'{"value": 1, "parts": [99]}\n1',
        b'{"value": 1, "parts": [99999999999]}\n',
        b"[" * 100_000 + b"\n",
        told({"class": "Popen", "fields": {"args": "true"}}),
        told({"class": "Step", "fields": {"kind": "token"}}),
        told({"class": "Step", "fields": {"kind": "", "text": "", "done": 1, "total": 1, "x": 1}}),
        told({"array": 0, "dtype": "|O", "shape": [1]}, b"12345678"),
        told({"array": 0, "dtype": "<f4", "shape": [3]}, b"12345678"),
        told({"array": 0, "dtype": "<f4", "shape": [-2]}, b"12345678"),
        told({"array": 3, "dtype": "<f4", "shape": [2]}, b"12345678"),
        told({"run": None}),
        told({"what": 1}),
    ],
)
def test_other_bytes_are_refused(data):
    with pytest.raises(WireError):
        decode(data)


def test_a_damaged_run_is_refused_in_words():
    with pytest.raises(RunError, match="not a recorded run"):
        decode(told({"run": 0}, b"PK"))


def test_what_a_class_refuses_stays_refused():
    plan = {"class": "CurvePlan", "fields": {"fill": "gold", "steps": 1, "batch": 1}}
    with pytest.raises(SightlineError, match="gold"):
        decode(told(plan))


@pytest.mark.parametrize("value", [object(), {1: 2}, np.array([object()]), {3}, b"bytes"])
def test_what_no_message_holds_is_a_defect(value):
    with pytest.raises(TypeError, match="no message holds"):
        encode(value)


def test_errors_for_people_keep_their_class_and_others_are_no_sentence():
    end = decode(encode(JobEnd.of(RunError("too old"))))
    with pytest.raises(RunError, match="too old"):
        end.raise_error()
    for name in ("SystemExit", "annotations", "Popen"):
        with pytest.raises(RuntimeError):
            JobEnd(name, "x").raise_error()


def test_a_message_has_a_largest_size(monkeypatch):
    monkeypatch.setattr(wire, "MOST_LINE", 10)
    with pytest.raises(WireError, match="line"):
        list(read_messages([b"x" * 20]))
