"""EAGLE's search for a model behind OpenAI's chat API, against a stub of the bundled model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from explainer.__main__ import main
from explainer.errors import ModelError, TokenError
from explainer.methods.subjects import Span
from explainer.probing import endpoint as api
from explainer.probing.eagle_search import RegionReadings, SearchSettings, count, search
from explainer.probing.endpoint import KEY, AnswerToken, CallBudget, ChatEndpoint
from explainer.probing.endpoint_search import EndpointSearch, PictureParts, find_targets
from explainer.probing.region_plan import RegionPlan
from explainer.recording.load import BUNDLED, load
from tests.probing.stub_endpoint import StubEndpoint

PARTY = BUNDLED.parents[1] / "examples" / "party.png"
PARTS = 5
SECRET = "sk-very-secret"


@pytest.fixture(scope="module")
def bundled():
    return load(BUNDLED, device="cpu")


@pytest.fixture(scope="module")
def picture():
    return np.asarray(Image.open(PARTY).convert("RGB").resize((112, 112)))


@pytest.fixture(scope="module")
def run(bundled, picture):
    return bundled.record(picture, "Describe the image.", scales=(1.0,), max_new_tokens=6)


@pytest.fixture
def stub(bundled, run):
    with StubEndpoint(bundled, run).serving() as served:
        yield served


def ended(steps):
    """Return what a search found."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_the_order_is_that_of_the_model_in_this_process(bundled, run, picture, stub):
    endpoint = ChatEndpoint(stub.address, "stub", CallBudget(200), SECRET)
    answer = endpoint.answer(picture, run.prompt, 6)
    assert [token.text for token in answer] == stub.texts, "the mark of the end is left out"
    target = int(np.argmax(run.probs[stub.answer][1:])) + 1  # not the first word
    parts = PictureParts.of(picture, PARTS)
    told = EndpointSearch(endpoint, run.prompt, parts, answer, [target])
    found = ended(told.steps())

    def listed(masks):
        before = "".join(stub.texts[:target])
        rows = [dict(stub.listed(parts.picture(mask), before)) for mask in masks]
        return np.array([[row.get(stub.texts[target], 0.0)] for row in rows], np.float32)

    here = ended(search(RegionReadings(listed, len(parts)), [0]))
    assert found.order.tolist() == here.order.tolist()
    np.testing.assert_allclose(found.insertion, here.insertion, atol=1e-6)
    plan = RegionPlan(PARTS, settings=SearchSettings())
    white = bundled.search_regions(run, Span((stub.answer[target],)), plan)
    assert found.order.tolist() == white.found.order.tolist()
    np.testing.assert_allclose(found.deletion, white.found.deletion, atol=1e-3)
    assert told.calls == count(len(parts))
    assert endpoint.budget.spent == told.calls + 1
    assert {headers["Authorization"] for _, headers in stub.heard} == {f"Bearer {SECRET}"}
    assert {path for path, _ in stub.heard} == {"/v1/chat/completions"}


def test_an_endpoint_that_begins_anew_is_noticed(run, picture, stub):
    endpoint, parts = (
        ChatEndpoint(stub.address, "m", CallBudget(200)),
        PictureParts.of(picture, PARTS),
    )
    answer = endpoint.answer(picture, run.prompt, 6)
    stub.continues = False
    with pytest.raises(ModelError, match="does not continue a begun answer"):
        ended(EndpointSearch(endpoint, run.prompt, parts, answer, [1]).steps())
    ended(EndpointSearch(endpoint, run.prompt, parts, answer, [0]).steps())
    assert "Authorization" not in stub.heard[0][1]


def test_the_budget_is_checked_first_and_counts_what_is_tried_again(
    run, picture, stub, monkeypatch
):
    monkeypatch.setattr(api, "_WAIT", 0.0)
    endpoint, parts = (
        ChatEndpoint(stub.address, "m", CallBudget(9)),
        PictureParts.of(picture, PARTS),
    )
    stub.fails = [429, 503]
    answer = endpoint.answer(picture, run.prompt, 6)
    assert endpoint.budget.spent == 3
    search = EndpointSearch(endpoint, run.prompt, parts, answer, [0])
    with pytest.raises(ModelError, match="and 6 are left; raise the budget"):
        ended(search.steps())
    assert endpoint.budget.spent == 3, "nothing was asked"
    stub.fails = [429] * 3
    with pytest.raises(ModelError, match="status 429"):
        endpoint.answer(picture, run.prompt, 6)
    stub.fails = [429] * 3
    with pytest.raises(ModelError, match="budget of 2 calls is spent"):
        ChatEndpoint(stub.address, "m", CallBudget(2)).answer(picture, run.prompt, 6)


def test_a_key_is_neither_shown_nor_sent_in_the_clear(run, picture, stub, monkeypatch):
    endpoint = ChatEndpoint(stub.address, "m", CallBudget(9), SECRET)
    stub.fails = [401]
    with pytest.raises(ModelError, match="status 401") as refused:
        endpoint.answer(picture, run.prompt, 6)
    assert SECRET not in str(refused.value) + repr(endpoint)
    for address, why in (
        ("http://example.org/v1", "not sent unencrypted"),
        ("https://me:pass@example.org/v1", "holds a secret"),
        ("https://example.org/v1?key=1", "holds a secret"),
        ("file:///etc/passwd", "an address such as"),
        ("http://[", "an address such as"),
    ):
        with pytest.raises(ModelError, match=why):
            ChatEndpoint(address, "m", CallBudget(1), SECRET)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([], "not that of a chat completion"),
        ({"choices": []}, "no log probabilities"),
        ({"choices": [{"message": {"content": "a"}, "logprobs": None}]}, "no log probabilities"),
        (
            {"choices": [{"message": {"content": "ab"}, "logprobs": {"content": []}}]},
            "do not spell it",
        ),
    ],
)
def test_other_answers_are_refused(run, picture, stub, monkeypatch, told, why):
    monkeypatch.setattr(stub, "complete", lambda asked: told)
    with pytest.raises(ModelError, match=why):
        ChatEndpoint(stub.address, "m", CallBudget(1)).answer(picture, run.prompt, 6)


def test_words_are_found_in_the_tokens_of_the_answer():
    answer = [AnswerToken(text, 1.0) for text in ("A", " hot", " d", "og", " and", " a", ".")]
    assert find_targets(answer, "hot dog") == [1, 2, 3]
    assert find_targets(answer, "AND") == [4]
    assert find_targets(answer, None) == [0, 1, 2, 3, 4, 5, 6]
    for word, why in (("a", "2 times"), ("cat", "not at all"), (" ", "not at all")):
        with pytest.raises(TokenError, match=why):
            find_targets(answer, word)


def test_the_command_writes_the_map_and_keeps_the_key(
    run, picture, stub, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv(KEY, SECRET)
    file = tmp_path / "scene.png"
    Image.fromarray(picture).save(file)
    word = stub.texts[1].strip()
    asked = ["eagle", str(file), "--prompt", run.prompt, "--out", str(tmp_path), "--regions", "5"]
    asked += ["--endpoint", stub.address, "--max-new-tokens", "6"]
    assert main([*asked, "--endpoint-model", "stub", "--word", word]) == 0
    said = capsys.readouterr().out
    assert "calls, of a budget of 1,000" in said
    told = json.loads((tmp_path / "scene_eagle.json").read_text())
    assert told["calls"] == len(stub.heard)
    assert sorted(told["order"]) == list(range(len(told["order"])))
    assert Image.open(tmp_path / "scene_eagle.png").size == (112, 112)
    assert SECRET not in said + json.dumps(told)
    stub.fails = [200] * 27 + [500]
    whole = ["--endpoint-model", "stub", "--word", word, "--whole-order", "--regions", "8"]
    assert main([*asked, *whole]) == 2
    assert "status 500" in capsys.readouterr().err
    early = json.loads((tmp_path / "scene_eagle.json").read_text())
    assert sorted(early["order"]) == list(range(len(early["order"])))
    assert "insight" not in early, "what was found stays, and no more"
    for more, why in (
        (["--word", word], "--endpoint-model"),
        (["--endpoint-model", "m", "--correct", "--word", word], "leave out other options"),
        (["--endpoint-model", "m", "--parts", "cells"], "leave out other options"),
        (["--endpoint-model", "m", "--budget", "0"], "at least 1"),
    ):
        assert main([*asked, *more]) == 2
        assert why in capsys.readouterr().err
