"""How a map came about, as the page asks for it: pictures, captions, words and lists."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from explainer.methods import METHODS
from explainer.methods.anatomy import anatomy, overlap
from explainer.run import ANSWER, Tokens
from explainer.run.store import RunStore
from explainer.ui.sections.step_by_step import words as step_words
from explainer.ui.sections.step_by_step.handler import StepByStepHandler
from explainer.web import controls, payload, texts
from tests.ui.fake import fake_run

PANEL, OPTIONS = controls.panel_value(), controls.option_value()
KEY = "k" * 32


def with_texts(run, *changes):
    """Return the run with other texts for some tokens of the answer."""
    shown = list(run.tokens.texts)
    for at, text in changes:
        shown[run.indices(ANSWER)[at]] = text
    t = run.tokens
    return replace(run, tokens=Tokens(t.ids, tuple(shown), t.roles, t.positions))


@pytest.fixture(scope="module")
def run():
    return fake_run()


def ask(run, chip=None, panel=PANEL, options=OPTIONS, beside=None, **subject):
    store = RunStore()
    store.put(KEY, run)
    subject = {"chip": chip} if chip is not None else subject
    asked = {"run": KEY, "subject": subject, "panel": panel, "options": options, "beside": beside}
    return json.loads(json.dumps(StepByStepHandler(store).anatomy(json.loads(json.dumps(asked)))))


def chip_of(run, text):
    return next(i for i, c in enumerate(run.chips) if c.text == text)


def options_with(**knobs):
    return {**OPTIONS, "msea_arc": {**OPTIONS["msea_arc"], **knobs}}


def cells(part):
    return np.frombuffer(base64.b64decode(part["data"]), np.uint8).reshape(part["shape"])


# Pictures ---------------------------------------------------------------------------------------


def test_the_pictures_are_those_of_the_method(run):
    chip = chip_of(run, " dog")
    token = run.chips[chip].tokens[0]
    got, want = ask(run, chip), anatomy(run, token)
    high = max(np.abs(p[0].values).max() for p in (want.fused, want.interference, want.before))
    for name in ("fused", "interference", "before"):
        levels = np.round(np.clip(getattr(want, name)[0].values / high, 0, 1) * 255)
        np.testing.assert_array_equal(cells(got["steps"][name]["parts"][0]), levels)
    heat = METHODS["msea_arc"](run, token)
    np.testing.assert_array_equal(
        cells(got["steps"]["after"]["parts"][0]), payload.levels(heat.parts[0].values)
    )
    assert float(got["peaks"]["steps"]) == pytest.approx(high, rel=0.05)
    assert [s["alpha"] for s in got["scales"]] == [0.5, 0.75, 1.0]
    assert [s["grids"] for s in got["scales"]] == [["11 × 11"], ["16 × 16"], ["21 × 21"]]
    assert [s["shares"] for s in got["scales"]] == [["33 %"]] * 3
    assert got["word"] == "dog"
    assert got["beta"]["value"] == f"{want.beta:.2f}"


def test_signed_maps_are_drawn_on_both_sides_of_zero(run):
    chip = chip_of(run, " dog")
    got = ask(run, chip, options=options_with(clip="none"))
    assert got["signed"]
    fused = cells(got["steps"]["fused"]["parts"][0])
    assert fused.min() < 127 < fused.max()
    assert "second colour" in got["steps"]["fused"]["captions"][0]
    assert cells(got["steps"]["before"]["parts"][0]).min() >= 127


def test_several_pictures_have_a_part_and_a_caption_each():
    run = fake_run(images=2)
    got = ask(run, chip_of(run, " dog"))
    for step in got["steps"].values():
        assert len(step["parts"]) == len(step["captions"]) == 2
    assert all(len(s["parts"]) == len(s["shares"]) == len(s["grids"]) == 2 for s in got["scales"])


# Weights of the scales --------------------------------------------------------------------------


def test_weights_of_scales_reach_the_map(run):
    chip = chip_of(run, " dog")
    panel = {**PANEL, "weights": [0, 1, 2, 1, 1]}  # 0.5, 0.75, 1; 1.25 and 0.25 are off
    got = ask(run, chip, panel)
    assert [s["shares"] for s in got["scales"]] == [["0 %"], ["33 %"], ["67 %"]]
    heat = METHODS["msea_arc"](run, run.chips[chip].tokens[0], scale_weights=(0, 1, 2))
    np.testing.assert_array_equal(
        cells(got["steps"]["after"]["parts"][0]), payload.levels(heat.parts[0].values)
    )


@pytest.mark.parametrize(
    ("panel", "want"),
    [
        ({}, None),
        ({"weights": None}, None),
        ({"weights": [1, 1, 1, 0, 0]}, None),
        ({"weights": [0.5, 0.5, 0.5, 2, 1]}, None),
        ({"weights": [0.5, 1, 2, 1, 1]}, (0.5, 1, 2)),
        ({"weights": [2, 1, 1, 1, 1], "alphas": [[1.0, True], [0.5, False], [1.0, True]]}, "BAD"),
        ({"weights": [2, 1, 0], "alphas": [[1.0, True], [0.5, True], [1.0, True]]}, (2, 1)),
        ({"weights": "all"}, "BAD"),
        ({"weights": [1, 2]}, "BAD"),
        ({"weights": [0, 0, 0, 1, 1]}, "NO_WEIGHT"),
        ({"weights": [3, 1, 1, 1, 1]}, "0..2"),
        ({"weights": ["x", 1, 1, 1, 1]}, "is a number"),
        ({"weights": [{}, 1, 1, 1, 1]}, "BAD"),
    ],
)
def test_weights_of_the_page_are_checked(run, panel, want):
    panel = {**PANEL, **panel}
    if isinstance(want, str):
        known = {"BAD": texts.BAD_REQUEST, "NO_WEIGHT": texts.NO_WEIGHT}
        got = ask(run, chip_of(run, " dog"), panel)
        assert known.get(want, want) in got["text"]
        assert got["kind"] == "error"
    else:
        assert controls.read_settings(panel, OPTIONS).knobs["msea_arc"]["scale_weights"] == want


def test_the_maximum_has_no_weights(run):
    panel = {**PANEL, "weights": [0.5, 1, 2, 1, 1]}
    got = ask(run, chip_of(run, " dog"), panel, options_with(fuse="max"))
    assert got["max"]
    assert [s["shares"] for s in got["scales"]] == [None] * 3
    assert "without weights" in got["about"]


# Captions ---------------------------------------------------------------------------------------


def test_captions_name_the_words_and_the_numbers(run):
    chip = chip_of(run, " dog")
    found = anatomy(run, run.chips[chip].tokens[0])
    steps = ask(run, chip)["steps"]
    counted = int((found.context.weights > 0).sum())
    assert f"{counted} earlier words" in steps["interference"]["captions"][0]
    assert "“dog”" in steps["interference"]["captions"][0]
    assert f"{found.fused[0].values.max():.1f}" in steps["fused"]["captions"][0]
    empty = np.mean(found.before[0].values <= 0)
    assert texts.percent(float(empty)) in steps["before"]["captions"][0]
    assert "3 × 3" in steps["after"]["captions"][0]
    assert found.heat.normalisation in steps["after"]["captions"][0]


@pytest.mark.parametrize(
    ("knobs", "step", "words"),
    [
        ({"weights": "uniform"}, "interference", "with equal weights."),
        ({"weights": "score"}, "interference", "as in TAM"),
        ({"weights": "none"}, "interference", step_words.NOTHING),
        ({"fuse": "max"}, "fused", "Maximum of the scales."),
        ({"clip": "per_scale"}, "fused", "at each scale"),
        ({"window": 1}, "after", step_words.ROUGH),
        ({"window": 5}, "after", "5 × 5"),
    ],
)
def test_captions_follow_the_knobs(run, knobs, step, words):
    got = ask(run, chip_of(run, " dog"), options=options_with(**knobs))
    assert words in got["steps"][step]["captions"][0]


def test_the_caption_of_beta_says_where_it_is_from(run):
    chip = chip_of(run, " dog")
    auto = ask(run, chip)["beta"]
    assert auto["caption"] == step_words.BETA_AUTO
    told = ask(run, chip, {**PANEL, "beta": 0.5})["beta"]
    assert told == {"value": "0.50", "caption": step_words.BETA_SET.format(auto=auto["value"])}
    nothing = ask(run, chip, options=options_with(weights="none"))["beta"]
    assert nothing == {"value": "0.00", "caption": step_words.BETA_ZERO}


def test_braces_in_words_stay_words(run):
    odd = with_texts(run, (1, " {word}"), (4, "{0}"))
    got = ask(odd, chip_of(odd, "{0}"), beside=chip_of(odd, " {word}"))
    assert "“{0}”" in got["about"]
    assert "“{word}”" in got["pair"]["text"]


# Words before -----------------------------------------------------------------------------------


def test_the_words_before_have_their_relevance_and_share(run):
    chip = chip_of(run, " dog")
    token = run.chips[chip].tokens[0]
    context, got = anatomy(run, token).context, ask(run, chip)
    assert [w["text"] for w in got["words"]] == ["Describe", "it.", "A", "cat", "and", "a"]
    assert [w["role"] for w in got["words"]] == ["prompt"] * 2 + ["answer"] * 4
    for word in got["words"]:
        (j,) = run.chips[word["chip"]].tokens
        assert word["relevance"] == pytest.approx(context.relevance[j])
        assert word["part"] == pytest.approx(context.shares[j])
        assert word["share"] == texts.percent(float(context.shares[j]))
        assert word["share"] in word["label"]
    assert sum(w["part"] for w in got["words"]) + context.base_share == pytest.approx(1)


def test_a_repeat_says_so(run):
    ids = run.tokens.ids.copy()
    ids[run.indices(ANSWER)[4]] = ids[run.indices(ANSWER)[1]]
    t = run.tokens
    again = replace(run, tokens=Tokens(ids, t.texts, t.roles, t.positions))
    got = ask(again, chip_of(again, " dog"), beside=chip_of(again, " cat"))
    cat = next(w for w in got["words"] if w["text"] == "cat")
    assert cat["repeat"]
    assert (cat["part"], cat["share"]) == (0, step_words.REPEAT)
    assert "left out" in cat["label"]
    assert step_words.SAME in got["pair"]["text"]


def test_the_first_word_has_nothing_before_it():
    run = fake_run(prompt="")
    first = run.chips[-len(run.indices(ANSWER))]
    roles = run.tokens.roles.copy()
    roles[: first.tokens[0]] = 0
    t = run.tokens
    alone = replace(run, tokens=Tokens(t.ids, t.texts, roles, t.positions))
    got = ask(alone, alone.chips.index(next(c for c in alone.chips if c.role == ANSWER)))
    assert got["words"] == []
    assert got["pair"] is None
    assert got["legend"] == step_words.NO_WORDS
    assert got["steps"]["interference"]["captions"] == [step_words.NOTHING]


def test_the_base_map_is_mentioned_where_it_takes_something_away(run):
    chip = chip_of(run, " dog")
    assert ask(run, chip, options=options_with(base="off"))["base"] == ""
    signed = options_with(clip="none")
    found = anatomy(run, run.chips[chip].tokens[0], clip="none", beta=0.5)
    share = texts.percent(found.context.base_share)
    assert share in ask(run, chip, {**PANEL, "beta": 0.5}, signed)["base"]


# Two lists --------------------------------------------------------------------------------------


def test_the_lists_are_those_of_the_overlap(run):
    dog, cat = chip_of(run, " dog"), chip_of(run, " cat")
    pair = ask(run, dog, beside=cat)["pair"]
    found = overlap(run, run.chips[cat].tokens[0], run.chips[dog].tokens[0])
    assert pair["chip"] == cat
    assert [side["title"] for side in pair["lists"]] == [
        "Guesses in place of “cat”", "Guesses in place of “dog”"
    ]  # fmt: skip
    for side, ids in zip(pair["lists"], (found.first, found.second), strict=True):
        assert [row["text"] for row in side["rows"]] == [
            f"w{i}" if i > 7 else f"<{i}>" for i in ids
        ]
    links = [
        (i + 1, row["other"]) for i, row in enumerate(pair["lists"][0]["rows"]) if row["other"]
    ]
    assert links == [(s.first, s.second) for s in found.shared]
    back = [(row["other"], i + 1) for i, row in enumerate(pair["lists"][1]["rows"]) if row["other"]]
    assert sorted(back) == sorted(links)
    gains = sum(row["gain"] for row in pair["lists"][0]["rows"])
    assert gains == pytest.approx(found.relevance)
    assert f"{len(found.shared)} of 50 are shared" in pair["text"]


def test_the_word_that_counts_most_is_chosen_at_first(run):
    got = ask(run, chip_of(run, " dog"))
    most = max(got["words"], key=lambda w: w["part"])
    assert got["pair"]["chip"] == most["chip"]
    later = chip_of(run, " grass")  # no word before "dog"
    assert ask(run, chip_of(run, " dog"), beside=later)["pair"]["chip"] == most["chip"]


@pytest.mark.parametrize(
    ("swap", "words"),
    [
        (0, "have nothing in common: 0 of 50 are shared, r = 0.00. So the whole map of “cat”"),
        (50, "are nearly the same: 50 of 50 are shared, r = 1.00. So next to nothing of the map"),
    ],
)
def test_the_sentence_follows_the_overlap(run, swap, words):
    cat, dog = (chip_of(run, text) for text in (" cat", " dog"))
    topk = run.topk.copy()
    topk[run.chips[dog].tokens[0], :50] = np.arange(100, 150)
    topk[run.chips[cat].tokens[0], :50] = np.arange(100, 150) if swap else np.arange(160, 210)
    pair = ask(replace(run, topk=topk), dog, beside=cat)["pair"]
    assert words in pair["text"]


def test_where_r_plays_no_part_the_sentence_says_so(run):
    cat, dog = (chip_of(run, text) for text in (" cat", " dog"))
    for weights, words in step_words.NO_PART.items():
        pair = ask(run, dog, beside=cat, options=options_with(weights=weights))["pair"]
        assert words in pair["text"]
    own = ask(run, dog, beside=cat, options=options_with(state="own"))["pair"]
    assert own["lists"][0]["title"] == "Guesses after “cat”"


# What is not a chip -----------------------------------------------------------------------------


def test_of_several_tokens_the_leading_one_is_shown_and_said(run):
    tokens = [int(run.indices(ANSWER)[i]) for i in (3, 4)]
    got = ask(run, tokens=tokens)
    assert got["word"] in ("a", "dog")
    assert got["note"] == step_words.PIECES.format(word="a dog", count=2, piece=got["word"])
    assert ask(run, tokens=tokens, by="first")["word"] == "a"
    assert ask(run, tokens=tokens[:1])["note"] == ""


def test_another_word_and_a_contrast_are_taken_apart_too(run):
    dog = int(run.indices(ANSWER)[4])
    other = int(run.tokens.ids[run.indices(ANSWER)[7]])  # "grass"
    got = ask(run, at=dog, ids=[other])
    said = run.with_token(dog, other)
    np.testing.assert_array_equal(
        cells(got["steps"]["after"]["parts"][0]),
        payload.levels(METHODS["msea_arc"](said, dog).parts[0].values),
    )
    both = ask(run, plus={"tokens": [dog]}, minus={"at": dog, "ids": [other]})
    assert both["word"] == "dog"
    assert "difference" in both["note"]


# What goes wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [None, "x", [], {}, {"run": KEY}, {"run": KEY, "subject": {"chip": 10}, "panel": PANEL}],
)
def test_what_cannot_be_read_is_refused_in_words(run, asked):
    store = RunStore()
    store.put(KEY, run)
    got = StepByStepHandler(store).anatomy(asked)
    assert got["kind"] == "error"
    assert got["text"] in (texts.BAD_REQUEST, texts.NOT_RUN)


def test_errors_are_told_in_words(run):
    chip = chip_of(run, " dog")
    for wrong in ({"subject": 3}, {"beside": "x"}, {"beside": True}, {"options": {"msea_arc": 3}}):
        store = RunStore()
        store.put(KEY, run)
        asked = {"run": KEY, "subject": {"chip": chip}, "panel": PANEL, "options": OPTIONS}
        assert StepByStepHandler(store).anatomy({**asked, **wrong})["text"] == texts.BAD_REQUEST
    assert StepByStepHandler(RunStore()).anatomy(asked)["text"] == texts.EXPIRED
    assert "must lie in 1..200" in ask(run, chip, {**PANEL, "k": 0})["text"]


def test_scales_that_are_being_read_are_waited_for(run):
    panel = {**PANEL, "alphas": [[1.0, True], [1.25, True]]}
    got = ask(run, chip_of(run, " dog"), panel)
    assert got == {"text": texts.BUSY_ADDING.format(scales="1.25"), "kind": "busy"}


def test_the_method_can_be_opened_though_another_is_shown(run):
    assert "steps" in ask(run, chip_of(run, " dog"), options={"tam": {}})


@pytest.mark.parametrize(
    ("part", "words"), [(0, "0 %"), (0.001, "< 1 %"), (0.31, "31 %"), (1, "100 %")]
)
def test_shares_in_words(part, words):
    assert texts.percent(part) == words
