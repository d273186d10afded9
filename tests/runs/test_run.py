"""The record: what it refuses, what it finds, and that it survives a file and a pickle."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from explainer.errors import RunError, ScaleError, SightlineError, TokenError
from explainer.evaluation.synthetic import synthetic_run
from explainer.methods import METHODS
from explainer.run import ANSWER, PROMPT, TEMPLATE, Run, Scale, Tokens, Unembedding, View

DATA = Path(__file__).parents[1] / "data"
GRIDS = {1.0: (5, 6), 0.5: (3, 3)}


def make(**changes) -> Run:
    settings = {"grids": GRIDS, "d": 8, "vocab": 90, "k_top": 60, "image_size": (30, 36)}
    return synthetic_run(np.random.default_rng(0), **settings | changes)


RUN = make()


def with_texts(run: Run, texts: list[str]) -> Run:
    t = run.tokens
    return replace(run, tokens=Tokens(t.ids, tuple(texts), t.roles, t.positions))


# What it holds ----------------------------------------------------------------------------------


def test_synthetic_runs_are_shaped_as_recorded():
    t = len(RUN.tokens)
    assert t == 6 + 5 + 8
    assert [len(RUN.indices(role)) for role in (TEMPLATE, PROMPT, ANSWER)] == [6, 5, 8]
    assert RUN.states.shape == (t + 1, 8)
    assert not RUN.states[0].any()
    assert RUN.topk.shape == (t + 1, 60)
    assert (RUN.topk[0] == -1).all()
    assert np.diff(RUN.tokens.positions).max() == 5 * 6 + 1  # the image lies in one gap
    assert RUN.alphas == (1.0, 0.5)
    for i, token_id in enumerate(RUN.tokens.ids[1:], start=1):
        rank = list(RUN.topk[i]).index(token_id) if token_id in RUN.topk[i] else 60
        if rank < 20:
            assert RUN.candidate_probs[i, rank] == pytest.approx(RUN.probs[i], rel=1e-4)


def test_synthetic_lists_are_the_true_ones():
    known = RUN.unembedding.ids
    for t in range(1, len(RUN.tokens) + 1):
        logits = RUN.text_logits[t]
        listed = [i for i in RUN.topk[t] if i in known]
        order = [float(logits[RUN.unembedding.index(i)]) for i in listed]
        assert order == sorted(order, reverse=True)
        rest = np.setdiff1d(known, listed)
        if len(rest):
            assert logits[RUN.unembedding.index(rest)].max() <= order[-1]


def test_synthetic_words_are_the_highest_at_each_visual_token():
    known, scale = RUN.unembedding.ids, RUN.scale(1.0)
    assert (RUN.visual_topk.shape, RUN.visual_topk.dtype) == ((5 * 6, 5), np.int32)
    assert set(RUN.visual_topk.ravel().tolist()) <= set(RUN.pieces)
    logits = scale.states.astype(np.float32) @ RUN.unembedding.rows.astype(np.float32).T
    for words, here in zip(RUN.visual_topk, logits, strict=True):
        order = here[np.isin(known, words)]
        rest = here[~np.isin(known, words)]
        assert not len(order) or order.min() >= rest.max()


def test_answer_and_indices():
    assert RUN.answer == "".join(RUN.tokens.texts[-8:])
    np.testing.assert_array_equal(RUN.indices(ANSWER), np.arange(11, 19))


def test_scales_are_found_by_factor():
    assert RUN.scale(0.5).views[0].grid == (3, 3)
    assert RUN.scale(0.5 + 1e-9) is RUN.scale(0.5)
    with pytest.raises(ScaleError, match=r"0\.75 was not recorded; this run holds 0\.5, 1"):
        RUN.scale(0.75)


def test_a_scale_can_be_added_or_replaced():
    half = RUN.scale(0.5)
    more = RUN.with_scale(replace(half, alpha=0.75))
    assert more.alphas == (1.0, 0.5, 0.75)
    assert RUN.alphas == (1.0, 0.5)
    again = more.with_scale(replace(half, base_id=3))
    assert again.alphas == (1.0, 0.75, 0.5)
    assert again.scale(0.5).base_id == 3


def test_a_new_scale_is_not_read_from_an_old_cache():
    before = RUN.visual_logits(0.5)
    half = RUN.scale(0.5)
    changed = RUN.with_scale(replace(half, states=half.states * np.float16(2)))
    np.testing.assert_allclose(changed.visual_logits(0.5), before * 2, rtol=1e-6)


def test_logits_are_the_products_and_are_read_only():
    w = RUN.unembedding
    for alpha in RUN.alphas:
        z = RUN.scale(alpha).states.astype(float)
        want = w.rows.astype(float) @ z.T + w.bias[:, None]
        np.testing.assert_allclose(RUN.visual_logits(alpha), want, atol=1e-4)
        assert RUN.visual_logits(alpha) is RUN.visual_logits(alpha)
    want = RUN.states.astype(float) @ w.rows.T.astype(float) + w.bias
    np.testing.assert_allclose(RUN.text_logits, want, atol=1e-4)
    for kept in (RUN.visual_logits(1.0), RUN.text_logits):
        with pytest.raises(ValueError, match="read-only"):
            kept[0, 0] = 1


def test_ids_without_a_row_are_named():
    assert RUN.unembedding.index([RUN.unembedding.ids[2]]).tolist() == [2]
    missing = np.setdiff1d(np.arange(90), RUN.unembedding.ids)[:2]
    with pytest.raises(RunError, match=str(missing.tolist()).replace("[", r"\[")):
        RUN.unembedding.index([RUN.unembedding.ids[0], *missing])
    with pytest.raises(RunError, match="no unembedding row"):
        RUN.unembedding.index(10**6)


@pytest.mark.parametrize("token", [-1, 19, 1.0, "1", True, np.bool_(True), None])
def test_token_indices_are_checked(token):
    with pytest.raises(TokenError):
        RUN.check_token(token)


def test_numpy_integers_are_token_indices():
    assert RUN.check_token(np.int64(18)) == 18


def test_a_run_is_frozen():
    with pytest.raises(FrozenInstanceError):
        RUN.prompt = "other"


# Chips ------------------------------------------------------------------------------------------


def test_tokens_that_share_a_character_share_a_chip():
    texts = [f"t{i}" for i in range(19)]
    texts[12:16] = ["é", "", "", " b"]
    texts[18] = ""
    chips = with_texts(RUN, texts).chips
    assert [c.tokens for c in chips[11:]] == [(11,), (12, 13, 14), (15,), (16,), (17, 18)]
    assert [c.text for c in chips[11:]] == ["t11", "é", " b", "t16", "t17"]
    assert "".join(c.text for c in chips) == "".join(texts)


def test_a_chip_never_crosses_from_prompt_to_answer():
    texts = [f"t{i}" for i in range(19)]
    texts[11] = ""  # first answer token
    chips = with_texts(RUN, texts).chips
    assert [c.role for c in chips if 11 in c.tokens or 10 in c.tokens] == [TEMPLATE, ANSWER]


# Files and pickles ------------------------------------------------------------------------------


def assert_equal(a: Run, b: Run) -> None:
    assert a.labels == b.labels
    for one, other in zip(a.images, b.images, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("states", "topk", "candidate_probs", "probs"):
        one, other = getattr(a, name), getattr(b, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    for part, names in (
        ("tokens", ("ids", "roles", "positions")),
        ("unembedding", ("ids", "rows", "bias")),
    ):
        for name in names:
            np.testing.assert_array_equal(*(getattr(getattr(r, part), name) for r in (a, b)))
    assert a.tokens.texts == b.tokens.texts
    for one, other in zip(a.scales, b.scales, strict=True):
        assert (one.alpha, one.base_id) == (other.alpha, other.base_id)
        np.testing.assert_array_equal(one.states, other.states)
        for view, same in zip(one.views, other.views, strict=True):
            assert (view.image, view.grid) == (same.image, same.grid)
            np.testing.assert_array_equal(view.rects, same.rects)
    assert (a.prompt, a.model_id) == (b.prompt, b.model_id)
    assert dict(a.pieces) == dict(b.pieces)
    assert dict(a.settings) == dict(b.settings)


def test_a_file_gives_back_the_same_run(tmp_path):
    texts = list(RUN.tokens.texts)
    texts[12:16] = ["漢", "", '"\\\n', "\ud83d"]  # the last one is half an emoji
    run = with_texts(make(seen={0.5: (1, 3, 0, 3)}), texts)
    run.save(tmp_path / "run.npz")
    back = Run.load(tmp_path / "run.npz")
    assert_equal(run, back)
    assert np.isnan(back.scale(0.5).views[0].rects[0]).all()
    for method in METHODS.values():
        knobs = {"scales": [1, 0.5]} if "scales" in [k.name for k in method.knobs] else {}
        one, other = (method(r, 14, **knobs).values for r in (run, back))
        np.testing.assert_array_equal(one, other)


def test_a_run_of_several_images_comes_back_from_its_file(tmp_path):
    views = {1.0: [(0, (5, 6)), (0, (2, 2)), (1, (3, 4))], 0.5: [(1, (2, 2)), (0, (3, 3))]}
    run = replace(make(grids=views), labels=("left", "frames 3–4"))
    run.save(tmp_path / "run.npz")
    assert_equal(run, Run.load(tmp_path / "run.npz"))


def test_a_run_of_version_1_is_read_and_has_the_maps_it_had():
    run = Run.load(DATA / "run-v1.npz")
    assert run.labels == ("",)
    assert [s.views[0].grid for s in run.scales] == [(6, 7), (3, 4), (5, 5)]
    with np.load(DATA / "run-v1-maps.npz") as recorded:
        for name, want in recorded.items():
            # Recorded when the default filter mirrored the border.
            knobs = {k.name: "mirror" for k in METHODS[name].knobs if k.name == "border"}
            maps = METHODS[name].explain_many(run, run.indices(ANSWER), **knobs)
            got = [m.values for m in maps]
            np.testing.assert_allclose(got, want, atol=1e-6)


def test_the_name_of_the_file_is_kept_as_given(tmp_path):
    RUN.save(tmp_path / "talk.run")
    assert [p.name for p in tmp_path.iterdir()] == ["talk.run"]


def test_a_pickle_carries_the_record_and_no_cache():
    run = make()
    fresh = len(pickle.dumps(run))
    for alpha in run.alphas:
        run.visual_logits(alpha)
    assert run.text_logits.size
    assert run.chips
    assert len(pickle.dumps(run)) == fresh
    back = pickle.loads(pickle.dumps(run))
    assert_equal(run, back)
    np.testing.assert_array_equal(back.visual_logits(0.5), run.visual_logits(0.5))


def test_nbytes_counts_the_arrays():
    arrays = [*RUN.images, RUN.states, RUN.topk, RUN.candidate_probs, RUN.probs]
    arrays += [getattr(RUN.unembedding, n) for n in ("ids", "rows", "bias")]
    arrays += [a for s in RUN.scales for a in (s.states, *(v.rects for v in s.views))]
    total = sum(a.nbytes for a in arrays)
    assert total <= RUN.nbytes <= total + 10_000


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match="no such file"):
        Run.load(tmp_path / "nothing.npz")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, a=np.zeros(3))
    with pytest.raises(RunError, match=r"other\.npz is not a recorded run"):
        Run.load(path)
    for content in (b"", b"hello", b"PK\x03\x04", b"\x80\x04N."):
        path.write_bytes(content)
        with pytest.raises(RunError, match="not a recorded run"):
            Run.load(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(RunError, match="not a recorded run"):
        Run.load(tmp_path / "array.npy")


def test_pickled_objects_are_never_read(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle inside a run was executed",))

    path = tmp_path / "trap.npz"
    np.savez(path, header=np.array([Trap()], dtype=object))
    with pytest.raises(RunError):
        Run.load(path)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_raise_nothing_else(tmp_path, seed):
    path = tmp_path / "run.npz"
    RUN.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(seed)
    refused = 0
    for n in range(60):
        damaged = bytearray(whole[: rng.integers(len(whole))] if n % 3 == 0 else whole)
        for _ in range(8 if n % 3 == 1 else 1):
            if damaged:
                damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            Run.load(path)
        except SightlineError:
            refused += 1
    assert refused >= 50  # the others hit a byte that means nothing


def rewritten(path, **changes) -> None:
    with np.load(path) as file:
        arrays = dict(file) | changes
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"states": None},
        {"states": np.zeros((3, 8), np.float16)},
        {"states": RUN.states.astype(np.float32)},
        {"topk": RUN.topk.astype(np.int64)},
        {"ids": RUN.tokens.ids[:-1]},
        {"roles": np.full(19, 7, np.uint8)},
        {"unembedding_ids": RUN.unembedding.ids[::-1].copy()},
        {"scale1_rects": np.zeros((9, 2), np.float32)},
        {"image0_png": np.zeros(9, np.uint8)},
        {"header": np.frombuffer(b"[]", np.uint8)},
        {"header": np.frombuffer(b'{"format": "sightline-run", "version": 99}', np.uint8)},
    ],
    ids=lambda c: next(iter(c)),
)
def test_files_with_wrong_parts_are_refused(tmp_path, changes):
    path = tmp_path / "run.npz"
    RUN.save(path)
    rewritten(path)
    Run.load(path)  # sound until something is changed
    rewritten(path, **changes)
    with pytest.raises(RunError):
        Run.load(path)


# What it refuses --------------------------------------------------------------------------------


WIDE = Unembedding(np.arange(2, dtype=np.int32), np.zeros((2, 9), "f2"), np.zeros(2, "f4"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": (np.zeros((4, 4), np.uint8),)}, "image"),
        ({"images": ()}, "0 images"),
        ({"labels": ("a", "b")}, "1 images with 2 labels"),
        ({"images": RUN.images * 2, "labels": ()}, "every image needs a view"),
        ({"states": RUN.states[:-1]}, r"got float16 \(19, 8\), expected float16 \(20, 8\)"),
        ({"topk": RUN.topk[:-1]}, "topk"),
        ({"probs": RUN.probs.astype(float)}, "probs: got float64"),
        ({"candidate_probs": RUN.candidate_probs[1:]}, "candidate_probs"),
        ({"scales": ()}, "first scale"),
        ({"scales": RUN.scales[::-1]}, "first scale"),
        ({"scales": (*RUN.scales, RUN.scales[1])}, "each scale once"),
        ({"unembedding": WIDE}, r"unembedding\.rows"),
    ],
)
def test_malformed_runs_are_refused(changes, words):
    with pytest.raises(RunError, match=words):
        replace(RUN, **changes)


def test_malformed_parts_are_refused():
    t, w, s = RUN.tokens, RUN.unembedding, RUN.scales[0]
    with pytest.raises(RunError, match="positions must increase"):
        Tokens(t.ids, t.texts, t.roles, t.positions[::-1].copy())
    with pytest.raises(RunError, match="positions must increase"):
        Tokens(t.ids[:0], (), t.roles[:0], t.positions[:0])
    with pytest.raises(RunError, match=r"tokens\.ids"):
        Tokens(t.ids, t.texts[1:], t.roles, t.positions)
    with pytest.raises(RunError, match="strictly increasing"):
        Unembedding(np.zeros_like(w.ids), w.rows, w.bias)
    with pytest.raises(RunError, match=r"scale 1\.0 states"):
        Scale(1.0, (*s.views, *s.views), s.states, 0)
    with pytest.raises(RunError, match="rects of a view of image 0"):
        View(0, (5, 5), s.views[0].rects)
