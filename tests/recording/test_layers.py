"""Layers, words of visual tokens and evidence: what a recording adds for looking closer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from explainer.errors import ImageError, LayerError, ModelError, RunError
from explainer.media.fills import FILLS, filled
from explainer.methods import METHODS
from explainer.methods.subjects import Span, explain_subject
from explainer.probing.reliance import EMPTY, reliance
from explainer.recording.explainer import Explainer
from explainer.recording.request import check_layers
from explainer.run import ANSWER, Evidence, Run, Video
from explainer.run.memory import estimate_memory
from tests import tiny
from tests.recording.test_record import PROMPT_TEXT, _reference, _same_arrays, _whole
from tests.runs.test_run import make

SCALES = (0.5, 1.0)


def record(explainer: Explainer, **options) -> Run:
    options = {"max_new_tokens": 4, "scales": SCALES, "layers": "all", **options}
    return explainer.record(tiny.image(), PROMPT_TEXT, **options)


@pytest.fixture(scope="module")
def layered(any_family: Explainer) -> Run:
    return record(any_family)


@pytest.fixture(scope="module")
def plain(any_family: Explainer) -> Run:
    return record(any_family, layers="last", fills=EMPTY)


def knobs(name: str) -> dict[str, object]:
    takes = [knob.name for knob in METHODS[name].knobs]
    return {"scales": SCALES} if "scales" in takes else {}


# Layers ------------------------------------------------------------------------------------------


def test_states_of_a_layer_are_its_output_after_the_final_norm(any_family, layered):
    run, family = layered, any_family.family
    inputs = family.compose(run.images, run.prompt)
    ids = [*inputs.ids, *run.tokens.ids[run.indices(ANSWER)].tolist()]
    with torch.inference_mode():
        out = family.model(**_whole(any_family, ids, inputs), output_hidden_states=True)
        seen = family.final_norm(_handed_on(out, inputs))
        logits = family.unembedding(seen).float()
        if cap := family.logit_softcap:
            logits = cap * torch.tanh(logits / cap)
    assert run.layer_numbers == tuple(range(1, family.depth + 1))
    early = run.at_layer(1)
    visual = seen[list(inputs.visual)].numpy()
    np.testing.assert_allclose(early.scales[0].states, visual, rtol=5e-3, atol=5e-3)
    at = np.append(run.tokens.positions[1:] - 1, run.tokens.positions[-1])
    np.testing.assert_allclose(early.states[1:], seen[at].numpy(), rtol=5e-3, atol=5e-3)
    np.testing.assert_array_equal(early.topk[1:, 0], logits[at].argmax(-1))
    chances = logits.softmax(-1)[at[:-1], run.tokens.ids[1:]]
    np.testing.assert_allclose(early.probs[1:], chances, rtol=1e-3, atol=1e-7)


def _handed_on(out, inputs) -> torch.Tensor:
    """Return what layer 1 hands on to layer 2, (L, d).

    transformers lists its own output, before features of the picture are added (DeepStack).
    """
    states = out.hidden_states[1][0].clone()  # [0] holds the embeddings
    pictures = getattr(out, "image_outputs", None)
    for features in getattr(pictures, "deepstack_features", None) or []:
        states[list(inputs.visual)] += torch.cat(features)
    return states


def test_the_last_layer_is_the_run_as_it_was_without_layers(any_family, layered, plain):
    run = layered
    assert run.at_layer(any_family.family.depth) is run
    assert _same_arrays(replace(run, unembedding=plain.unembedding), plain)
    assert plain.layer_numbers == (any_family.family.depth,)
    assert plain.layers == ()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_explains_a_layer(layered, name):
    run = layered
    token = int(run.indices(ANSWER)[0])
    heat = explain_subject(METHODS[name], run.at_layer(1), Span((token,)), **knobs(name))
    assert np.isfinite(heat.values).all()
    assert heat.values.shape == METHODS[name](run, token, **knobs(name)).values.shape


def test_layers_of_a_run_grow_with_scales_and_words_and_live_through_a_file(
    any_family, layered, tmp_path
):
    run = record(any_family, scales=(1.0,))
    grown = any_family.add_words(any_family.add_scale(run, 0.5), [" cat"])
    assert _same_arrays(grown.at_layer(1), any_family.add_words(layered, [" cat"]).at_layer(1))
    grown.save(tmp_path / "run.npz")
    back = Run.load(tmp_path / "run.npz")
    assert back.layer_numbers == grown.layer_numbers
    assert _same_arrays(back.at_layer(1), grown.at_layer(1))
    np.testing.assert_array_equal(back.visual_topk, grown.visual_topk)
    assert estimate_memory(grown) > estimate_memory(replace(grown, layers=()))


def test_an_edited_answer_keeps_the_layers(any_family):
    first = record(any_family, answer="a dog", fills=EMPTY)
    edited = any_family.teacher_force(first, "a red cat")
    whole = record(any_family, answer="a red cat", fills=EMPTY)
    assert _same_arrays(
        edited.at_layer(1), replace(whole.at_layer(1), unembedding=edited.unembedding)
    )
    np.testing.assert_allclose(edited.evidence.probs, whole.evidence.probs, rtol=1e-3, atol=1e-6)


def test_layers_by_name_and_number(qwen, monkeypatch):
    monkeypatch.setattr(type(qwen.family), "depth", 7)
    expected = {"last": (), "even": (1, 3, 5), "all": (1, 2, 3, 4, 5, 6)}
    for name, numbers in expected.items():
        assert check_layers(qwen.family, name) == numbers
    assert check_layers(qwen.family, [7, 2, 2]) == (2,)
    for wrong in ("first", [0], [8], [True], [1.5], ["1"]):
        with pytest.raises(LayerError):
            check_layers(qwen.family, wrong)


def test_what_layers_take_is_said_before_and_bounded(qwen, monkeypatch):
    stream = qwen.stream(tiny.image(), PROMPT_TEXT, layers="all", max_new_tokens=4)
    step = next(stream)
    assert (step.kind, step.done, step.total) == ("layers", 1, 2)
    assert step.text.endswith("MB")
    *_, run = stream
    assert sum(layer.nbytes for layer in run.layers) < 200_000
    monkeypatch.setattr("explainer.recording.request.MOST_LAYER_BYTES", 1000)
    with pytest.raises(LayerError, match="1 further layers would take about"):
        qwen.stream(tiny.image(), PROMPT_TEXT, layers="all")
    qwen.stream(tiny.image(), PROMPT_TEXT).close()


def test_what_layers_take_can_be_asked_without_running_the_model(qwen, monkeypatch):
    wanted = {"scales": [0.5, 1.0], "max_new_tokens": 8}
    run = qwen.record(tiny.image(), PROMPT_TEXT, layers="all", **wanted)
    monkeypatch.setattr(qwen.family.base, "forward", lambda *a, **k: 1 / 0)
    size = qwen.layer_bytes(tiny.image(), PROMPT_TEXT, layers="all", **wanted)
    held = sum(layer.nbytes for layer in run.layers)
    assert held <= size <= 1.5 * held  # the answer counts with its greatest length
    assert qwen.layer_bytes(tiny.image(), PROMPT_TEXT, layers="last", **wanted) == 0


def test_a_look_at_a_layer_is_no_run_to_add_to(qwen):
    early = record(qwen).at_layer(1)
    with pytest.raises(LayerError, match="this run holds 1"):
        early.at_layer(2)
    for act in (qwen.add_evidence, lambda run: qwen.add_scale(run, 0.75)):
        with pytest.raises(RunError, match="view of layer 1"):
            act(early)


def test_no_hook_is_left_behind(qwen, monkeypatch):
    def hooks():
        return [len(layer._forward_hooks) for layer in qwen.family.decoder.layers]

    before = hooks()  # transformers leaves some of its own where states were asked for
    record(qwen)
    monkeypatch.setattr(qwen.family.decoder.norm, "forward", lambda x: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        record(qwen)
    assert hooks() == before


def test_a_layer_without_a_scale_is_refused():
    run = replace(make(), layer=3)
    assert run.with_scale(run.scales[1]).layer_numbers == (3,)
    with pytest.raises(LayerError, match="this run holds 3"):
        run.at_layer(1)


# Words of visual tokens --------------------------------------------------------------------------


def test_visual_tokens_say_their_first_five_words(any_family, plain, monkeypatch):
    run = plain
    logits, _ = _reference(any_family, run)
    visual = logits[list(any_family.family.compose(run.images, run.prompt).visual)]
    values, best = visual.topk(5)
    assert run.visual_topk.shape == (len(visual), 5)
    ours = torch.gather(visual, 1, torch.from_numpy(run.visual_topk.astype(np.int64)))
    np.testing.assert_allclose(ours, values, rtol=1e-3, atol=1e-3)
    assert set(run.visual_topk.ravel().tolist()) <= set(run.pieces)
    monkeypatch.setattr("explainer.models.engine._IDS", 100)  # in pieces: the same
    states = any_family._engine.visual_states(any_family.family.compose_prefix(run.images, 1.0))
    pieces = any_family._engine.top_ids(states[-1], 5)
    assert (pieces == best.numpy()).mean() > 0.99


# Evidence ----------------------------------------------------------------------------------------


def test_evidence_is_how_probable_the_answer_is_without_the_picture(any_family, plain):
    run = plain
    assert run.evidence.fills == EMPTY
    for fill, probs in zip(EMPTY, run.evidence.probs, strict=True):
        empty = replace(run, images=tuple(filled(run.images, fill)))
        logits, _ = _reference(any_family, empty)
        answer = run.indices(ANSWER)
        at = run.tokens.positions[answer] - 1
        want = logits.softmax(-1)[at, run.tokens.ids[answer]]
        np.testing.assert_allclose(probs, want, rtol=2e-3, atol=1e-6)
    assert any_family.add_evidence(run) is run
    later = any_family.add_evidence(replace(run, evidence=None))
    np.testing.assert_array_equal(later.evidence.probs, run.evidence.probs)


def test_evidence_of_several_pictures_and_of_a_video(qwen):
    pictures = [tiny.image(64, 96), tiny.image(96, 64, seed=3)]
    run = qwen.record(pictures, PROMPT_TEXT, scales=(), max_new_tokens=3, fills=["mean"])
    assert run.evidence.probs.shape == (1, len(run.indices(ANSWER)))
    clip = Video(
        np.stack([tiny.image(64, 64, seed=i) for i in range(4)]), np.arange(4.0), 1.0, (0, 1, 2, 3)
    )
    shown = qwen.record(None, PROMPT_TEXT, video=clip, scales=(), max_new_tokens=3, fills=EMPTY)
    assert shown.evidence.probs.shape == (2, len(shown.indices(ANSWER)))


def test_frames_of_a_video_are_filled_alike():
    frames = np.stack([tiny.image(8, 8, seed=i) for i in range(3)])
    clip = Video(frames, np.arange(3.0), 1.0, (0, 1, 2))
    for fill in ("black", "mean"):
        made = filled(clip, fill).frames
        assert made.shape == frames.shape
        assert len(np.unique(made.reshape(-1, 3), axis=0)) == 1
    assert set(EMPTY) <= set(FILLS)


def test_evidence_falls_back_to_one_fill_at_a_time_and_then_says_why(qwen, monkeypatch):
    run = record(qwen, layers="last")
    want = qwen.add_evidence(run).evidence.probs
    real = qwen._engine.reread

    def small(batch, *args):
        if len(batch) > most[0]:
            raise torch.OutOfMemoryError
        return real(batch, *args)

    most = [1]
    monkeypatch.setattr(qwen._engine, "reread", small)
    np.testing.assert_allclose(qwen.add_evidence(run).evidence.probs, want, rtol=1e-4, atol=1e-7)
    most[0] = 0
    with pytest.raises(ModelError, match="fewer pictures"):
        qwen.add_evidence(run)
    told = record(qwen, layers="last", fills=EMPTY)
    assert told.evidence is None
    assert "fewer pictures" in told.settings["no_evidence"]


def test_unknown_fills_are_refused(qwen):
    for wrong in (["pink"], "black", ["black", 3]):
        with pytest.raises(ImageError, match="fills are"):
            qwen.stream(tiny.image(), PROMPT_TEXT, fills=wrong)


def test_reliance_is_the_probability_that_the_picture_adds():
    run = make()
    answer = run.indices(ANSWER)
    probs = run.probs.copy()
    probs[answer[:3]] = [0.9, 0.5, 0.2]
    empty = np.full((2, len(answer)), 0.1, np.float32)
    empty[:, :3] = [[0.1, 0.4, 0.6], [0.3, 0.6, 0.4]]
    told = replace(run, probs=probs, evidence=Evidence(EMPTY, empty))
    one, two, three = (reliance(told, [int(t)]) for t in answer[:3])
    assert one.delta == pytest.approx(0.7)
    assert one.empty == pytest.approx({"black": 0.1, "mean": 0.3})
    assert (one.is_sensitive, one.is_against) == (True, False)
    assert two.delta == pytest.approx(0.0, abs=1e-6)
    assert not two.is_sensitive
    assert (three.share, three.is_against) == (0.0, True)
    both = reliance(told, [int(answer[0]), int(answer[1])])
    assert both.shown == pytest.approx(0.45)
    assert both.empty == pytest.approx({"black": 0.04, "mean": 0.18})
    assert reliance(told, [0]) is None
    assert reliance(run, [int(answer[0])]) is None
