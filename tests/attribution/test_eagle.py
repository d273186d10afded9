"""EAGLE with real models: what it reads, what it says, and that it is told how far it is."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import Cancelled, KnobError, ModelError, RunError
from explainer.export.small_print import notes
from explainer.methods import COMPARISON
from explainer.methods.subjects import Span, explain_subject
from explainer.models.engine import Engine
from explainer.probing.eagle_search import Found, count
from explainer.probing.tiling import Tiling
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, Run
from explainer.run.geometry import Layout
from tests import tiny
from tests.attribution.conftest import PROMPT_TEXT, ReadAlone
from tests.media.test_video import clip
from tests.probing import slow_eagle

EAGLE = COMPARISON["eagle"]


def key(token: int, regions: int = 12, fill: str = "black", parts: str = "superpixels") -> tuple:
    return "eagle", token, (("fill", fill), ("parts", parts), ("regions", regions))


@pytest.fixture(scope="module")
def found(qwen) -> Run:
    run = qwen.record(tiny.image(64, 96), PROMPT_TEXT, scales=(1.0,), max_new_tokens=3)
    return qwen.attribute(run, run.indices(ANSWER).tolist(), "eagle")


def test_it_is_the_search_with_parts_of_the_picture_hidden(deep, run):
    cells = deep.family.label == "LLaVA"
    fill, parts = ("black", "cells") if cells else ("mean", "superpixels")
    token = int(run.indices(ANSWER)[1])
    tiling = Tiling.of(run, 6, fill, parts)
    p = ReadAlone(deep, tiling).mean([1])
    order, insertion, deletion = slow_eagle.efficient(p, len(tiling), 8, 4, 10)
    knobs = {"regions": 6, "fill": fill, "parts": parts}
    done = deep.attribute(run, token, "eagle", **knobs)
    told = done.attribution_notes[key(token, 6, fill, parts)]
    assert told["shown"] == pytest.approx(deletion[0], abs=1e-5)
    assert told["empty"] == pytest.approx(insertion[0], abs=1e-5)
    share = np.append(0, np.cumsum(tiling.sizes[order])) / tiling.sizes.sum()
    area = np.trapezoid(insertion, share)
    assert told["reliance"] == pytest.approx(area - min(insertion), abs=1e-4)
    (values,) = done.attributions.values()
    wanted = tiling.spread(Found(np.array(order), *map(np.array, (insertion, deletion))).values())
    np.testing.assert_allclose(values, wanted, atol=1e-3)
    heat = EAGLE(done, token, **knobs)
    assert heat.values.max() == pytest.approx(wanted.max(), abs=1e-3), "a habit is dark"
    assert EAGLE(done, token, **knobs, normalisation="token").values.max() == 1
    assert heat.notes == told


def test_it_tells_how_far_it_is_and_shares_its_readings(qwen, found, monkeypatch):
    plain = replace(found, attributions={}, attribution_notes={})
    tokens, told, read = plain.indices(ANSWER)[:2].tolist(), [], []
    reread = Engine.reread

    def watched(self, batch, *rest):
        read.append(len(batch))
        return reread(self, batch, *rest)

    monkeypatch.setattr(Engine, "reread", watched)
    again = qwen.attribute(plain, tokens, "eagle", on_progress=told.append)
    regions = len(Tiling.of(plain, 12))
    assert {s.total for s in told if s.kind == "reading"} == {count(regions)}
    assert [(s.done, s.total) for s in told if s.kind == "map"] == [(1, 2), (2, 2)]
    first = [s.kind for s in told].index("map")
    assert told[first - 1].done == count(regions)
    assert count(regions) <= sum(read) < 2 * count(regions)
    for token in tokens:
        np.testing.assert_allclose(
            again.attributions[key(token)], found.attributions[key(token)], atol=1e-4
        )


def test_it_ends_between_two_batches_and_keeps_nothing(qwen, found):
    plain = replace(found, attributions={}, attribution_notes={})
    token, told = int(plain.indices(ANSWER)[0]), []
    with pytest.raises(Cancelled):
        qwen.attribute(
            plain, token, "eagle", on_progress=told.append, cancel=lambda: len(told) == 3
        )
    assert [s.kind for s in told] == ["reading"] * 3
    steps = qwen.stream_attribution(plain, token, "eagle")
    assert pickle.loads(pickle.dumps(next(steps))).kind == "reading"
    steps.close()
    assert not plain.attributions


def test_without_memory_for_several_pictures_each_is_read_alone(qwen, found, monkeypatch):
    plain = replace(found, attributions={}, attribution_notes={})
    token, reread = int(plain.indices(ANSWER)[0]), Engine.reread

    def small(self, batch, *rest):
        if len(batch) > 1:
            raise ModelError("the memory is not enough for this")
        return reread(self, batch, *rest)

    monkeypatch.setattr(Engine, "reread", small)
    monkeypatch.setattr(Engine, "free", lambda self: None)
    done = qwen.attribute(plain, token, "eagle")
    np.testing.assert_allclose(
        done.attributions[key(token)], found.attributions[key(token)], atol=1e-4
    )


def test_its_numbers_go_with_the_run_and_are_said_beside_the_map(found, tmp_path):
    token = int(found.indices(ANSWER)[0])
    found.save(tmp_path / "run.npz")
    for copy in (Run.load(tmp_path / "run.npz"), pickle.loads(pickle.dumps(found))):
        assert copy.attribution_notes == found.attribution_notes
        assert EAGLE(copy, token).notes == EAGLE(found, token).notes
    other = int(found.unembedding.ids[0])
    other = other if other != found.tokens.ids[token] else int(found.unembedding.ids[1])
    assert token not in {k[1] for k in found.with_token(token, other).attribution_notes}
    both = explain_subject(EAGLE, found, Span(tuple(found.indices(ANSWER)[:2].tolist())))
    each = [found.attribution_notes[key(int(t))]["reliance"] for t in found.indices(ANSWER)[:2]]
    assert both.notes["reliance"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize(
    ("shown", "empty", "reliance", "words"),
    [
        (0.9, 0.1, 0.62, "rests on the picture: 0.62"),
        (0.9, 0.85, 0.14, "rests less on the picture: 0.14"),
        (0.99, 0.98, 0.013, "language habit: 0.01"),
    ],
)
def test_reliance_is_put_into_words(found, shown, empty, reliance, words):
    token = int(found.indices(ANSWER)[0])
    told = {"shown": shown, "empty": empty, "reliance": reliance}
    assert notes(EAGLE(replace(found, attribution_notes={key(token): told}), token)) == words


def test_numbers_without_a_map_and_numbers_that_are_none_are_refused(found):
    token = int(found.indices(ANSWER)[0])
    with pytest.raises(RunError, match="need the map"):
        replace(found, attributions={})
    bad = replace(found, attribution_notes={key(token): {"reliance": 1e999}})
    file = io.BytesIO()
    with pytest.raises(ValueError, match="JSON"):
        bad.save(file)


def test_what_it_cannot_explain_is_said(qwen, found):
    video = qwen.record(None, PROMPT_TEXT, video=clip(), scales=(1.0,), max_new_tokens=2)
    with pytest.raises(RunError, match="one of its frames as a picture"):
        qwen.attribute(video, int(video.indices(ANSWER)[0]), "eagle")
    for knobs in ({"regions": 3}, {"regions": 129}, {"fill": "white"}, {"parts": "drawn"}):
        with pytest.raises(KnobError):
            qwen.attribute(found, 5, "eagle", **knobs)


def test_regions_of_several_pictures_are_searched_together(qwen: Explainer):
    pictures = [tiny.image(64, 96), tiny.image(96, 64, seed=1)]
    run = qwen.record(pictures, PROMPT_TEXT, scales=(1.0,), max_new_tokens=2)
    token = int(run.indices(ANSWER)[-1])
    done = qwen.attribute(run, token, "eagle")
    heat = EAGLE(done, token, normalisation="token")
    assert [part.values.shape for part in heat.parts] == [g.shape for g in Layout.of(run).grids]
    assert max(part.values.max() for part in heat.parts) == 1
