"""The JSON: it follows its schema, and its numbers are the run's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explainer.export import chips
from explainer.export.data import FORMAT, VERSION, maps_json
from explainer.export.small_print import small_print
from explainer.methods.subjects import Contrast, Span, Unsaid
from explainer.probing.reliance import reliance
from explainer.run import ANSWER, PROMPT, Video
from tests.export import schema
from tests.ui.fake import FakeExplainer, fake_run

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "maps.schema.json").read_text("utf-8"))


def _file(made) -> dict:
    value = json.loads(maps_json(made), parse_constant=lambda name: pytest.fail(name))
    schema.check(value, SCHEMA, SCHEMA)
    return value


def test_the_file_follows_its_schema_and_holds_the_maps(make):
    made = make(words=slice(0, None))
    value = _file(made)
    assert (value["format"], value["version"]) == (FORMAT, VERSION)
    assert value["run"]["answer"] == made.run.answer
    assert [t["text"] for t in value["tokens"]] == list(made.run.tokens.texts)
    assert [m["name"] for m in value["methods"]] == ["msea_arc", "tam", "logit_lens"]
    for told, heats in zip(value["subjects"], made.heats, strict=True):
        for map_, heat in zip(told["maps"], heats, strict=True):
            assert np.allclose(map_["parts"][0]["values"], heat.values, atol=1e-4)
            assert map_["parts"][0]["extent"] == list(heat.extent)
            edges = [np.array(map_["parts"][0][name]) for name in "yx"]
            assert tuple(len(e) - 1 for e in edges) == heat.values.shape
            assert [e[0] for e in edges] == [heat.extent[1], heat.extent[0]]
            assert [e[-1] for e in edges] == [heat.extent[3], heat.extent[2]]


def test_every_kind_of_subject_and_run_follows_the_schema(make):
    run = fake_run(images=2, texts=("\ud800", "\x00", "</script>"))
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    video = Video(frames, np.arange(4.0), 1.0, (0, 1, 2, 3))
    probs = np.full_like(run.probs, np.nan)
    run = replace(run, video=video, probs=probs, settings={"seconds": float("inf"), "words": {}})
    at = int(run.indices(ANSWER)[0])
    said, other = Span((at, at + 1), "mean"), Unsaid(at, (int(run.tokens.ids[at + 1]),))
    subjects = (said, other, Contrast(said, other), *chips(run, PROMPT))
    value = _file(replace(make(run, methods=["tam", "logit_lens"]), subjects=subjects))
    assert value["run"]["settings"]["seconds"] is None
    assert value["subjects"][0]["probability"] is None
    assert value["subjects"][2]["maps"][0]["signed"] is True
    assert len(value["subjects"][0]["maps"][0]["parts"]) == 2


def test_evidence_is_told_of_the_answer_alone(make):
    run = FakeExplainer().add_evidence(fake_run())
    made = make(run, words=slice(0, None))
    value = _file(made)
    for i, token in enumerate(value["tokens"]):
        told = reliance(run, [i])
        assert (token["evidence"] is None) == (token["role"] != "answer") == (told is None)
        if told:
            assert token["evidence"]["empty"] == pytest.approx(told.empty)
            assert token["evidence"]["delta"] == pytest.approx(told.delta)
    first = value["subjects"][0]["evidence"]
    assert first["shown"] - first["empty"]["black"] == pytest.approx(0.8)
    assert all(token["evidence"] is None for token in _file(make())["tokens"])


def test_the_schema_is_strict(make):
    value = _file(make(FakeExplainer().add_evidence(fake_run())))
    for spoil in (
        lambda v: v.pop("tokens"),
        lambda v: v.update(version=1),
        lambda v: v["tokens"][0].update(probability=1.5),
        lambda v: v["subjects"][0]["maps"][0]["parts"][0].update(extent=[0, 0]),
        lambda v: v["subjects"][0]["maps"][0]["parts"][0].pop("x"),
        lambda v: v["subjects"][0]["maps"][0]["parts"][0].update(y=[0]),
        lambda v: v["subjects"][0].update(subject={"tokens": ["a"], "by": "max"}),
        lambda v: v["subjects"][0]["evidence"].pop("delta"),
        lambda v: v["subjects"][0]["evidence"]["empty"].update(black=2),
    ):
        spoilt = json.loads(json.dumps(value))
        spoil(spoilt)
        with pytest.raises(AssertionError):
            schema.check(spoilt, SCHEMA, SCHEMA)


def test_settings_of_any_kind_do_no_harm(make):
    odd = {"revision": {"a": [1]}, "versions": 3, "temperature": "hot", "seed": None, "dtype": []}
    made = make(replace(fake_run(), settings=odd))
    assert _file(made)["run"]["settings"]["versions"] == 3
    assert "(revision {'a': [1]})" in small_print(made)[-2]
