"""The addresses of evidence and of the methods' modules: who gets them, and in which form."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from explainer.methods.subjects import Unsaid, probability
from explainer.ui.evidence import RUNS, message_of
from explainer.ui.published import module_address
from explainer.web import texts, token_text
from explainer.web.evidence_message import evidence_message, word_message
from explainer.web.live import methods_module
from tests.evidence_reader import logits, read
from tests.ui.fake import fake_run, with_layers

KEY = "e" * 32


@pytest.fixture
def run(store):
    run = with_layers(fake_run())
    store.put(KEY, run)
    return run


def get(http, key=KEY, subject=None, **headers):
    query = {} if subject is None else {"subject": json.dumps(subject)}
    return http.get(f"{RUNS}/{key}", params=query, headers=headers)


def test_evidence_is_compressed_and_no_cache_keeps_it(http, run):
    answer = get(http)
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.content == evidence_message(run)
    plain = get(http, **{"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content


def test_a_layer_has_evidence_of_its_own(http, run):
    layer = run.layer_numbers[0]
    told = get(http, subject={"layer": layer}).content
    assert told == evidence_message(run.at_layer(layer)) != evidence_message(run)


def test_a_word_that_was_not_said_has_rows_texts_and_probability(http, run):
    at = run.chips[-1].tokens[0]
    other = int(run.topk[at, 1])
    header, arrays = read(get(http, subject={"at": at, "ids": [other]}).content)
    assert header["format"] == "sightline-word"
    assert header["texts"] == [token_text.spelled(run.pieces[other])]
    assert header["probability"] == probability(run, Unsaid(at, (other,)))
    whole_header, whole = read(evidence_message(run, [other]))
    row = int(np.searchsorted(whole["ids"], other))
    assert arrays["ids"].tolist() == [other]
    assert (arrays["scores"][0] == whole["scores"][row]).all()
    assert header["alphas"] == [scale["alpha"] for scale in whole_header["scales"]]
    for i in range(len(header["alphas"])):
        assert (logits(arrays, i)[0] == logits(whole, i)[row]).all()


def test_a_word_has_the_number_of_a_token_with_its_text(run):
    """So that a word in place of a token is known as a repetition of another token."""
    token = int(run.chips[-2].tokens[0])
    other = int(run.tokens.ids[token])
    said = replace(run, pieces={**run.pieces, other: run.tokens.texts[token].upper()})
    _, arrays = read(word_message(said, Unsaid(int(run.chips[-1].tokens[0]), (other,))))
    _, whole = read(evidence_message(run))
    assert arrays["word_folds"][0] == whole["token_folds"][token]
    assert arrays["word_texts"][0] not in whole["token_texts"]


@pytest.mark.parametrize(
    ("subject", "sentence"),
    [
        ({"layer": 99}, "99"),
        ({"layer": "x"}, texts.BAD_REQUEST),
        ({"at": 1, "ids": []}, texts.BAD_REQUEST),
        ({"at": 1, "ids": [10**8]}, "unembedding row"),
        ({"at": 10**8, "ids": [1]}, "Token"),
        ({"at": 1, "word": "zebra"}, "zebra"),
    ],
)
def test_what_a_run_does_not_hold_is_said(http, run, subject, sentence):
    answer = get(http, subject=subject)
    assert answer.status_code == 404
    assert sentence in answer.json()["detail"]


def test_junk_is_refused_and_the_server_stays(http, run):
    for query in (
        "x",
        "[" * 5000,
        "3",
        '"at"',
        '{"at": {}}',
        '{"at": 1, "ids": ' + "9" * 900 + "}",
    ):
        answer = http.get(f"{RUNS}/{KEY}", params={"subject": query})
        assert answer.status_code in (200, 400, 404), query
    assert get(http).status_code == 200


def test_without_its_key_a_run_is_not_shown(http, run):
    for key in ("f" * 32, "x", "e" * 31, "e" * 400):
        answer = get(http, key)
        assert answer.status_code == 404
        assert "detail" in answer.json()
    assert get(http, "f" * 32).json()["detail"] == texts.EXPIRED


def test_the_methods_have_an_address_that_browsers_keep(http):
    answer = http.get(module_address())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.text == methods_module().text
    assert http.get(f"static/methods/{'0' * 16}.js").status_code == 404


def test_what_is_no_word_has_the_evidence_of_the_run(run):
    assert message_of(run, {"chip": 3}) == message_of(run, None)
