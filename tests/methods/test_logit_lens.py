"""The raw lens, clipped or signed, at any recorded scale."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.errors import ScaleError
from explainer.methods import METHODS
from explainer.run import ANSWER
from tests.methods import slow
from tests.methods.small import GRIDS, small_run

METHOD = METHODS["logit_lens"]
RUN = small_run()
TOKENS = [int(t) for t in RUN.indices(ANSWER)]


@pytest.mark.parametrize("alpha", GRIDS)
def test_default_is_the_positive_part_on_its_own_range(alpha):
    for t in TOKENS:
        raw = np.maximum(0, slow.lens(RUN, int(RUN.tokens.ids[t]), alpha))
        heat = METHOD(RUN, t, alpha=alpha)
        assert heat.values.shape == GRIDS[alpha]
        assert not heat.signed
        want = (raw - raw.min()) / (raw.max() - raw.min())
        np.testing.assert_allclose(heat.values, want, atol=1e-5)


def test_signed_keeps_zero_and_sign():
    for t in TOKENS:
        raw = slow.lens(RUN, int(RUN.tokens.ids[t]))
        heat = METHOD(RUN, t, show="signed")
        assert heat.signed
        np.testing.assert_allclose(heat.values, raw / np.abs(raw).max(), atol=1e-5)


def test_signed_by_answer_and_jointly():
    raw = {t: slow.lens(RUN, int(RUN.tokens.ids[t])) for t in TOKENS}
    peak = max(np.abs(a).max() for a in raw.values())
    for t in TOKENS:
        by_answer = METHOD(RUN, t, show="signed", normalisation="answer").values
        np.testing.assert_allclose(by_answer, raw[t] / peak, atol=1e-5)
        scores = [slow.score(RUN, int(RUN.tokens.ids[t]), j) for j in slow.before(RUN, t)]
        jointly = METHOD(RUN, t, show="signed", normalisation="joint").values
        want = raw[t] / max([np.abs(raw[t]).max(), *scores])
        np.testing.assert_allclose(jointly, want, atol=1e-5)


def test_words_say_what_one_means():
    said = {
        METHOD(RUN, TOKENS[0], show=show, normalisation=n).normalisation
        for show in ("positive", "signed")
        for n in ("joint", "token", "answer")
    }
    assert len(said) == 6
    assert all("1.0 =" in words for words in said)


def test_planted_evidence_is_found():
    run = small_run(planted={20: (0.0, 0.0, 20.0, 20.0)})
    values = METHOD(run, int(run.indices(ANSWER)[0])).values
    assert values[:2, :2].min() > 0.5
    assert np.median(values[2:, 2:]) < 0.3


def test_an_unknown_scale_is_refused():
    with pytest.raises(ScaleError, match=r"0\.25"):
        METHOD(RUN, TOKENS[0], alpha=0.25)
