"""EAGLE for sets of words, the preview by visual tokens, and what words rest on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.attribution.knockout import TextRows
from explainer.errors import Cancelled, ModelError, RunError, TokenError
from explainer.methods.subjects import Span, Unsaid
from explainer.probing.eagle_search import SearchSettings
from explainer.probing.region_plan import HIDING, RegionPlan
from explainer.probing.sources import describe_sources, word_sources
from explainer.probing.tiling import Tiling
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, PROMPT, Run
from tests.attribution.conftest import ReadAlone
from tests.probing import slow_eagle
from tests.ui.fake import fake_run

SMALL = RegionPlan(6, "cells", settings=SearchSettings())


def expect_rows_of_text(deep: Explainer, run: Run) -> None:
    """End the test where layers attend within a window: there the text is not read again."""
    kinds = getattr(deep.family.decoder.config, "layer_types", None) or []
    if set(kinds) - {"full_attention"}:
        with pytest.raises(ModelError, match="hide pixels instead"):
            TextRows(deep._engine, run)
        pytest.skip("refused, as it should be")


@pytest.fixture(scope="module")
def tiling(run: Run) -> Tiling:
    return Tiling.of(run, SMALL.regions, SMALL.fill, SMALL.parts)


@pytest.fixture(scope="module")
def alone(deep: Explainer, tiling: Tiling) -> ReadAlone:
    return ReadAlone(deep, tiling)


def test_several_words_and_the_whole_answer_are_one_objective(deep, run, tiling, alone):
    answer = run.indices(ANSWER)
    for word, columns in ((Span(tuple(answer[1:3].tolist())), [1, 2]), (None, range(len(answer)))):
        found = deep.search_regions(run, word, SMALL)
        np.testing.assert_array_equal(found.tiling.labels, tiling.labels)
        p = alone.mean(columns)
        order, insertion, deletion = slow_eagle.efficient(p, len(tiling), 8, 4, 10)
        assert found.found.order.tolist() == order
        np.testing.assert_allclose(found.insight, insertion, atol=1e-5)
        np.testing.assert_allclose(found.necessity, 1 - np.array(deletion), atol=1e-5)
        assert found.heatmap.values.max() == pytest.approx(found.found.values().max(), abs=1e-6)


def test_the_greedy_search_looks_at_all_parts_each_time(deep, run, tiling, alone):
    found = deep.search_regions(run, None, replace(SMALL, greedy=True))
    p = alone.mean(range(len(run.indices(ANSWER))))
    assert found.found.order.tolist() == slow_eagle.plain(p, len(tiling))


def test_another_word_in_the_place_of_one(deep, run):
    plan = replace(SMALL, regions=4)
    at = int(run.indices(ANSWER)[1])
    other = int(run.unembedding.ids[0])
    found = deep.search_regions(run, Unsaid(at, (other,)), plan)
    said = deep.search_regions(run, Span((at,)), plan)
    assert not np.allclose(found.insight, said.insight)
    same = deep.search_regions(run, Unsaid(at, (int(run.tokens.ids[at]),)), plan)
    np.testing.assert_allclose(same.insight, said.insight, atol=1e-6)


@pytest.mark.parametrize("hiding", HIDING)
def test_a_search_tells_how_far_it_is_and_can_be_stopped(deep, run, hiding):
    if hiding == "tokens":
        expect_rows_of_text(deep, run)
    told: list = []
    plan = RegionPlan(6, "cells", hiding=hiding, settings=SearchSettings(2, 1, 3))
    deep.search_regions(run, None, plan, on_progress=told.append)
    assert told[-1].done == told[-1].total
    with pytest.raises(Cancelled):
        deep.search_regions(run, None, plan, cancel=lambda: True)


def test_what_cannot_be_searched_is_said(deep, run):
    for bad in (Span((0,)), Span(()), Unsaid(int(run.indices(ANSWER)[0]), ())):
        with pytest.raises(TokenError):
            deep.search_regions(run, bad, SMALL)
    for options in ({"regions": 0}, {"parts": "drawn"}, {"hiding": "words"}):
        with pytest.raises(RunError):
            RegionPlan(**options)


# Text that may not attend to some places ---------------------------------------------------------


def test_with_everything_in_reach_the_text_reads_as_it_was_recorded(deep, run):
    expect_rows_of_text(deep, run)
    rows = TextRows(deep._engine, run)
    answer = run.indices(ANSWER)
    at, ids = (run.tokens.positions[answer] - 1).tolist(), run.tokens.ids[answer].tolist()
    everything = np.ones((2, 1, int(rows.positions[-1]) + 1), bool)
    probs = rows.probabilities(everything, at, ids)
    np.testing.assert_allclose(probs, np.stack([run.probs[answer]] * 2), atol=1e-5)


def test_hidden_places_have_no_influence_and_later_ones_never_do(deep, run):
    """Places out of reach can hold any keys and values."""
    expect_rows_of_text(deep, run)
    rows = TextRows(deep._engine, run)
    answer = run.indices(ANSWER)
    at, ids = (run.tokens.positions[answer] - 1).tolist(), run.tokens.ids[answer].tolist()
    shown = np.ones((1, 1, int(rows.positions[-1]) + 1), bool)
    shown[:, :, rows.visual] = False
    before = rows.probabilities(shown, at, ids)
    assert not np.allclose(before[0], run.probs[answer], atol=1e-5)
    for keys, values in rows._before:
        keys[:, :, rows.visual] = 9.0
        values[:, :, rows.visual] = -5.0
    np.testing.assert_array_equal(rows.probabilities(shown, at, ids), before)
    late = shown.copy()
    late[:, :, at[0] + 1 :] = False
    assert rows.probabilities(late, at, ids)[0, 0] == pytest.approx(before[0, 0], abs=1e-6)


def test_the_preview_hides_the_visual_tokens_of_a_part(deep, run):
    expect_rows_of_text(deep, run)
    tiling = Tiling.of(run, 6, parts="cells")
    assert len(tiling.owners) == len(run.scales[0].states)
    assert set(range(len(tiling))) <= set(tiling.owners.tolist())
    plan = RegionPlan(6, "cells", hiding="tokens")
    found = deep.search_regions(run, None, plan)
    answer = run.indices(ANSWER)
    assert found.insight[-1] == pytest.approx(run.probs[answer].mean(), abs=1e-5)
    rows = TextRows(deep._engine, run)
    shown = np.ones((1, 1, int(rows.positions[-1]) + 1), bool)
    shown[0, 0, rows.visual[tiling.owners == found.found.order[0]]] = False
    at, ids = (run.tokens.positions[answer] - 1).tolist(), run.tokens.ids[answer].tolist()
    gone = rows.probabilities(shown, at, ids).mean()
    assert 1 - found.necessity[1] == pytest.approx(gone, abs=1e-5)


# What words rest on ------------------------------------------------------------------------------


def test_sources_are_what_the_text_may_not_attend_to(deep, run):
    expect_rows_of_text(deep, run)
    grown, answer = deep.add_sources(run), run.indices(ANSWER)
    rows = TextRows(deep._engine, run)
    at, ids = (run.tokens.positions[answer] - 1).tolist(), run.tokens.ids[answer].tolist()
    hidden = (rows.visual, run.tokens.positions[run.indices(PROMPT)], run.tokens.positions[answer])
    for source, places in enumerate(hidden):
        shown = np.ones((1, 1, int(rows.positions[-1]) + 1), bool)
        shown[0, 0, places] = False
        alone = rows.probabilities(shown, at, ids)[0]
        np.testing.assert_allclose(grown.sources[source], alone, atol=1e-5)
    first = word_sources(grown, [int(answer[0])])
    assert first.without["words"] == pytest.approx(first.shown, abs=1e-5), "nothing came before"
    assert deep.add_sources(grown) is grown


def test_shares_by_hand():
    shown = np.array([0.9, 0.5, 0.99], np.float32)
    without = np.array([[0.1, 0.5, 0.98], [0.7, 0.6, 0.99], [0.9, 0.4, 0.99]], np.float32)
    run = fake_run(("a", " b", " c"))
    probs, answer = run.probs.copy(), run.indices(ANSWER)
    probs[answer] = shown
    run = replace(run, probs=probs, sources=without)
    one, two, three = (word_sources(run, [int(token)]) for token in answer)
    assert one.shares == pytest.approx({"picture": 0.8, "prompt": 0.2, "words": 0}, abs=1e-6)
    assert two.shares == pytest.approx({"picture": 0, "prompt": 0, "words": 1}, abs=1e-6)
    assert three.shares is None, "a word that loses next to nothing rests on none alone"
    both = word_sources(run, answer[:2].tolist())
    assert both.shown == pytest.approx(0.45)
    assert both.without == pytest.approx({"picture": 0.05, "prompt": 0.42, "words": 0.36})
    assert describe_sources(run).startswith(
        "The answer rests 73% on the picture, 18% on the prompt"
    )
    alike = replace(run, sources=np.stack([shown] * 3))
    assert "none of them alone" in describe_sources(alike)
    assert word_sources(run, run.indices(PROMPT)[:1].tolist()) is None
    plain = replace(run, sources=None)
    assert (word_sources(plain, answer.tolist()), describe_sources(plain)) == (None, "")
