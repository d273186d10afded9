"""The evidence message: what is in it, what is not, and how exact it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explainer.errors import RunError
from explainer.evaluation.synthetic import synthetic_run
from explainer.methods import METHODS
from explainer.methods.lens import lens_views
from explainer.run import ANSWER, Run
from explainer.web import token_text
from explainer.web.evidence_message import STEPS, evidence_message
from tests.evidence_reader import logits, read, told_run
from tests.methods import small
from tests.methods.small import small_run, with_texts

HALF = 0.503 / STEPS  # of a step, and the rounding of float32
GALLERY = sorted((Path(__file__).parents[2] / "assets" / "gallery").glob("*.npz"))
TILES = {1.0: [(0, (6, 6)), (0, (3, 3))], 0.75: [(0, (4, 4)), (0, (3, 3))], 0.5: [(0, (3, 3))]}
SEVERAL = {a: [(i, grid) for i in (0, 1)] for a, grid in small.GRIDS.items()}


def padded_run() -> Run:
    seen = {1.0: (1, 5, 0, 6), 0.75: (0, 3, 0, 4), 0.5: (0, 2, 0, 3)}
    grids = {1.0: (6, 6), 0.75: (4, 4), 0.5: (3, 3)}
    return synthetic_run(np.random.default_rng(3), grids=grids, seen=seen, image_size=(40, 60))


RUNS = {
    "small": small_run,
    "padded": padded_run,
    "tiles": lambda: synthetic_run(np.random.default_rng(4), grids=TILES),
    "several": lambda: synthetic_run(np.random.default_rng(5), grids=SEVERAL),
    **{path.stem: (lambda path=path: Run.load(path)) for path in GALLERY},
}


@pytest.fixture(params=RUNS)
def run(request) -> Run:
    return RUNS[request.param]()


def test_the_message_holds_what_methods_read_of_a_run(run):
    header, arrays = read(evidence_message(run))
    ids, tokens = arrays["ids"], run.tokens
    assert (ids[arrays["tokens"]] == tokens.ids).all()
    assert (arrays["roles"] == tokens.roles).all()
    assert (arrays["positions"] == tokens.positions).all()
    assert header["images"] == [list(image.shape[:2]) for image in run.images]
    columns = run.unembedding.index(ids)
    assert (arrays["scores"] == run.text_logits[:, columns].T).all()
    drawn = [token_text.visible(run.pieces[int(i)]) for i in np.unique(run.topk) if i >= 0]
    assert header["guess_texts"] == drawn
    assert arrays["guesses"].max() == len(drawn)
    assert [s["alpha"] for s in header["scales"]] == list(run.alphas)
    for i, scale in enumerate(run.scales):
        told = header["scales"][i]
        assert ids[told["base"]] == scale.base_id
        assert told["least"] is None or ids[told["least"]] == scale.least_id
        views = [v for of_image in lens_views(run, ids, scale.alpha) for v in of_image]
        for view, (_, grid) in zip(told["views"], views, strict=True):
            assert view["y"] == grid.y.tolist()
            assert view["x"] == grid.x.tolist()
        raw = np.concatenate([maps.reshape(len(ids), -1) for maps, _ in views], axis=1)
        error, size = np.abs(logits(arrays, i) - raw), np.abs(raw).max(axis=1, keepdims=True)
        assert (error <= size * HALF).all()
        above = np.where(raw > 0, error, 0).max(axis=1) / np.maximum(raw.max(axis=1), 1e-9)
        assert above.max() <= HALF, "however low the scores below 0 are"


def test_guesses_are_equal_numbers_for_equal_ids(run):
    _, arrays = read(evidence_message(run))
    lists, numbers = run.topk[:, :200], arrays["guesses"]
    assert ((numbers == 0) == (lists == -1)).all()
    pairs = {(int(a), int(b)) for a, b in zip(lists.ravel(), numbers.ravel(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_texts_are_equal_numbers_and_not_in_the_message():
    run = with_texts(small_run(), {3: " Cat", 4: "cat ", 5: "cat", 6: "", 7: "dog", 8: "dog"})
    data = evidence_message(run)
    assert b"dog" not in data
    _, arrays = read(data)
    texts, folds = arrays["token_texts"], arrays["token_folds"]
    assert len({*texts[3:6]}) == 3
    assert folds[3] == folds[4] == folds[5] != folds[7]
    assert texts[7] == texts[8]
    assert (texts[6], folds[6]) == (0, 0)


def test_further_words_are_added_and_must_have_a_row():
    run = small_run()
    known = set(read(evidence_message(run))[1]["ids"].tolist())
    other = next(int(i) for i in run.unembedding.ids if int(i) not in known)
    assert other in read(evidence_message(run, [other]))[1]["ids"]
    with pytest.raises(RunError, match="no unembedding row"):
        evidence_message(run, [100_000])


def test_a_run_from_before_the_raw_base_says_so():
    run = small_run()
    older = replace(run, scales=tuple(replace(s, least_id=None) for s in run.scales))
    header, _ = read(evidence_message(older))
    assert {s["least"] for s in header["scales"]} == {None}


def test_maps_of_the_message_are_those_of_the_run_to_a_step_of_the_colours(run):
    """Before drawing, a map is off by less than a fifth of a colour step."""
    told, tokens = told_run(run, evidence_message(run)), run.indices(ANSWER).tolist()
    for method in METHODS.values():
        pairs = zip(
            method.explain_many(run, tokens), method.explain_many(told, tokens), strict=True
        )
        for own, other in pairs:
            for a, b in zip(own.parts, other.parts, strict=True):
                assert np.abs(a.values - b.values).max() < 0.2 / 255, method.name
