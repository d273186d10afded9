"""What a recording promises, on tiny random models: nothing of it may depend on trained weights."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from explainer.errors import Cancelled, ImageError, ModelError, PromptError, RunError, ScaleError
from explainer.models.inputs import Inputs
from explainer.recording import sizes
from explainer.recording.explainer import Explainer, Step
from explainer.recording.load import load
from explainer.run import ANSWER, PROMPT, TEMPLATE, Run
from tests import tiny

PROMPT_TEXT = "what is in the picture?"


class Layout(NamedTuple):
    """How the template's text starts and ends, what is around a picture, its tokens, and how many
    runs of them there are, with marks between."""

    start: str
    end: str
    around: tuple[str, str]
    tokens: tuple[int, ...]
    runs: int = 1


_QWEN = Layout(
    "<|im_start|>system\n",
    "<|im_end|>\n<|im_start|>assistant\n",
    ("<|vision_start|>", "<|vision_end|>"),
    (6 * 8,),
)
LAYOUTS = {
    "Qwen2-VL": _QWEN,
    "Qwen2.5-VL": _QWEN,
    "Qwen3-VL": _QWEN._replace(start="<|im_start|>user\n"),
    "Qwen3.5": _QWEN._replace(
        start="<|im_start|>user\n", end=f"{_QWEN.end}<think>\n\n</think>\n\n"
    ),
    "LFM2-VL": Layout(
        "<|startoftext|><|im_start|>user\n",
        _QWEN.end,
        ("<|img_row_1_col_1|>", "<|image_end|>"),
        (4 * 16 + 12,),  # 2 x 2 tiles and a thumbnail
        runs=5,
    ),
    "LLaVA": Layout("<s> USER: ", " ASSISTANT:", (" ", " "), (8 * 8,)),
    "InternVL": Layout(
        "<|im_start|>user\n",
        "<|im_end|>\n<|im_start|>assistant\n",
        ("<img>", "</img>"),
        (16, 7 * 16),  # one tile, or 2 x 3 and a thumbnail
    ),
    "LLaVA-NeXT": Layout("<s> [INST] ", " [/INST]", (" ", " "), (6 * 9 + 4 * 4,)),
    "Gemma 3": Layout(
        "<bos><start_of_turn>user\n\n\n",
        "<end_of_turn>\n<start_of_turn>model\n",
        ("<start_of_image>", "<end_of_image>"),
        (4 * 4,),
    ),
    "Gemma 4": Layout(
        "<bos><|turn>user\n", "<turn|>\n<|turn>model\n", ("<|image>", "<image|>"), (7 * 9,)
    ),
    "SmolVLM": Layout(
        "<|im_start|>User:",
        "<end_of_utterance>\nAssistant:",
        ("<row_1_col_1>", "<fake_token_around_image>"),
        (13 * 4,),  # 3 x 4 tiles and the whole
        runs=13,
    ),
}


def _record(explainer: Explainer, **options) -> Run:
    return explainer.record(tiny.image(), PROMPT_TEXT, **{"max_new_tokens": 8, **options})


def _whole(explainer: Explainer, ids: Sequence[int], inputs: Inputs) -> dict[str, torch.Tensor]:
    """Return what transformers takes for the whole sequence, as its own processors make it."""
    tensors = {"input_ids": torch.tensor([ids]), **inputs.tensors}
    name = {"Qwen": "mm_token_type_ids", "Gemma3": "token_type_ids", "Gemma4": "mm_token_type_ids"}
    made = explainer.family.model_class
    if kinds := next((name[start] for start in name if made.startswith(start)), None):
        tensors[kinds] = torch.zeros(1, len(ids), dtype=torch.long)
        tensors[kinds][:, list(inputs.visual)] = 1
    return tensors


def _reference(explainer: Explainer, run: Run, extra: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits (L, V) and last states (L, d) of one plain forward of the whole sequence."""
    family = explainer.family
    inputs = family.compose(run.images, run.prompt)
    ids = [*inputs.ids, *run.tokens.ids[run.indices(ANSWER)].tolist()]
    with torch.inference_mode():
        out = family.model(**_whole(explainer, ids, inputs), output_hidden_states=True)
    return out.logits[0].float(), out.hidden_states[-1][0].float()


def _same_arrays(a: Run, b: Run) -> bool:
    pairs = [
        (a.states, b.states),
        (a.topk, b.topk),
        (a.candidate_probs, b.candidate_probs),
        (a.probs, b.probs),
        (a.unembedding.ids, b.unembedding.ids),
        (a.unembedding.rows, b.unembedding.rows),
        (a.tokens.ids, b.tokens.ids),
    ]
    pairs += [(s.states, o.states) for s, o in zip(a.scales, b.scales, strict=True)]
    pairs += [
        (v.rects, w.rects)
        for s, o in zip(a.scales, b.scales, strict=True)
        for v, w in zip(s.views, o.views, strict=True)
    ]
    same = [(s.alpha, s.base_id) for s in a.scales] == [(s.alpha, s.base_id) for s in b.scales]
    return same and all(np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs)


@pytest.fixture(scope="module")
def family_run(any_family: Explainer) -> Run:
    return _record(any_family)


@pytest.fixture(scope="module")
def reference(any_family: Explainer, family_run: Run) -> tuple[torch.Tensor, torch.Tensor]:
    return _reference(any_family, family_run)


@pytest.fixture(scope="module")
def model_run(any_model: Explainer) -> Run:
    return _record(any_model)


# Faithfulness to the model -----------------------------------------------------------------------


def test_the_lens_at_the_last_layer_reproduces_the_models_logits(any_family, family_run, reference):
    run = family_run
    logits, _ = reference
    at = run.tokens.positions[1:] - 1
    ours = run.text_logits[1:-1]
    assert ours == pytest.approx(logits[at][:, run.unembedding.ids].numpy(), rel=0.01, abs=0.02)
    visual = any_family.family.compose(run.images, run.prompt).visual
    theirs = logits[list(visual)][:, run.unembedding.ids].T
    assert run.visual_logits(1.0) == pytest.approx(theirs.numpy(), rel=0.01, abs=0.02)


def test_the_lens_in_bfloat16_is_within_its_rounding(any_model, model_run):
    run = model_run
    logits, _ = _reference(any_model, run)
    theirs = logits[run.tokens.positions[1:] - 1][:, run.unembedding.ids].numpy()
    error = np.abs(run.text_logits[1:-1] - theirs)
    assert np.median(error) < 0.02 * np.std(theirs)


def test_probabilities_are_the_softmax_over_the_whole_vocabulary(family_run, reference):
    run = family_run
    logits, _ = reference
    probs = logits.softmax(-1).numpy()
    at = run.tokens.positions - 1
    expected = probs[at[1:], run.tokens.ids[1:]]
    assert run.probs[1:] == pytest.approx(expected, rel=1e-3, abs=1e-7)
    assert np.isnan(run.probs[0])
    best = np.sort(probs[at[1:]], axis=1)[:, ::-1][:, : run.candidate_probs.shape[1]]
    assert run.candidate_probs[1:-1] == pytest.approx(best, rel=1e-3, abs=1e-7)
    assert np.array_equal(run.topk[1:-1, 0], probs[at[1:]].argmax(1))


def test_top_k_lists_are_in_order_and_hold_no_id_twice(model_run):
    run = model_run
    assert run.topk.shape == (len(run.tokens) + 1, 200)
    assert all(len(set(row)) == 200 for row in run.topk[1:])
    assert np.all(np.diff(run.candidate_probs[1:], axis=1) <= 0)
    assert set(run.topk[1:].ravel()) <= set(run.pieces)


def test_greedy_equals_the_generate_of_transformers(any_model, model_run):
    family = any_model.family
    inputs = family.compose([tiny.image()], PROMPT_TEXT)
    generated = family.model.generate(
        **_whole(any_model, inputs.ids, inputs),
        max_new_tokens=8,
        do_sample=False,
    )[0, len(inputs.ids) :]
    theirs = [i for i in generated.tolist() if i not in family.stop_ids]
    assert model_run.tokens.ids[model_run.indices(ANSWER)].tolist() == theirs


# What follows from the causal mask ---------------------------------------------------------------


def test_visual_states_do_not_depend_on_the_text_after_them(any_model, model_run):
    other = any_model.record(tiny.image(), "the dog sits next", scales=(1.0,), max_new_tokens=2)
    left, right = (r.scale(1.0).states.astype(np.float32) for r in (model_run, other))
    # Equal on equal arithmetic; kernels may block rows differently for another length.
    assert left == pytest.approx(right, rel=0.02, abs=0.02 * float(np.abs(left).max()))


def test_visual_states_do_not_change_when_the_sequence_ends_with_them(any_family, family_run):
    inputs = any_family.family.compose_prefix([tiny.image()], 1.0)
    cut = any_family._engine.visual_states(inputs)[-1].float().numpy()
    assert family_run.scale(1.0).states.astype(np.float32) == pytest.approx(cut, rel=2e-3, abs=2e-3)


def test_a_scale_added_later_equals_one_recorded_at_once(any_model, model_run):
    run = _record(any_model, scales=(1.0,))
    for later in ((0.75, 0.5), (1.25,)):
        if later[0] > any_model.family.alphas[1]:
            break
        scales = [*(scale.alpha for scale in run.scales), *later]
        for alpha in later:
            run = any_model.add_scale(run, alpha)
        whole = model_run if len(scales) == 3 else _record(any_model, scales=scales)
        assert _same_arrays(run, whole)
        assert run.settings["scales"] == whole.settings["scales"] == sorted(scales)


def test_adding_a_scale_works_on_a_run_from_a_file(qwen, tmp_path):
    whole = _record(qwen, scales=(0.5, 1.0))
    _record(qwen, scales=(1.0,)).save(tmp_path / "run.npz")
    assert _same_arrays(qwen.add_scale(Run.load(tmp_path / "run.npz"), 0.5), whole)


def test_a_scale_that_is_there_is_not_read_again(qwen):
    run = _record(qwen)
    assert qwen.add_scale(run, 0.5) is run


def test_a_scale_needs_the_model_of_the_run(qwen):
    with pytest.raises(RunError, match="is loaded; load another"):
        qwen.add_scale(replace(_record(qwen), model_id="another"), 0.5)


# Bookkeeping -------------------------------------------------------------------------------------


def test_roles_and_positions_follow_from_the_layout(any_family, family_run):
    run = family_run
    texts, tokens = run.tokens.texts, run.tokens
    said = {role: "".join(texts[i] for i in run.indices(role)) for role in (TEMPLATE, PROMPT)}
    assert said[PROMPT] == PROMPT_TEXT
    layout = LAYOUTS[any_family.family.label]
    assert said[TEMPLATE].startswith(layout.start)
    assert said[TEMPLATE].endswith(layout.end)
    inputs = any_family.family.compose(run.images, run.prompt)
    n = len(inputs.visual)
    assert n == sum(len(view) for view in run.scale(1.0).views) == len(run.scale(1.0).states)
    assert n in layout.tokens
    gaps = np.flatnonzero(np.diff(tokens.positions) != 1)
    assert (texts[gaps[0]], texts[gaps[-1] + 1]) == layout.around
    assert len(gaps) == layout.runs
    assert (np.diff(tokens.positions)[gaps] - 1).sum() == n
    assert tokens.positions[-1] == len(tokens) + n - 1


def test_special_tokens_in_the_prompt_stay_text(any_family):
    family = any_family.family
    added = sorted(family.codec.special_id(t) for t in family.codec._tokenizer.all_special_tokens)
    prompt = f"a {family.image_token} and " + " ".join(map(family.codec.piece, added))
    inputs = family.compose([tiny.image()], prompt)
    assert inputs.ids.count(family.image_token_id) == len(inputs.visual)
    run = any_family.record(tiny.image(), prompt, scales=(1.0,), max_new_tokens=1)
    said = run.indices(PROMPT)
    assert "".join(run.tokens.texts[i] for i in said) == prompt
    assert not set(run.tokens.ids[said].tolist()) & {*added, family.image_token_id}


def test_states_are_those_that_predict_the_tokens(family_run, reference):
    run = family_run
    _, states = reference
    at = np.append(run.tokens.positions[1:] - 1, run.tokens.positions[-1])
    assert run.states[1:].astype(np.float32) == pytest.approx(
        states[at].numpy(), rel=5e-3, abs=5e-3
    )
    assert not run.states[0].any()
    assert np.all(run.topk[0] == -1)


def test_texts_concatenate_to_the_decoded_text(any_model):
    run = _record(any_model, max_new_tokens=24, scales=())
    decoded = any_model.family.codec._tokenizer.decode(
        run.tokens.ids, clean_up_tokenization_spaces=False
    )
    if any_model.family.label in ("LLaVA", "LLaVA-NeXT", "Gemma 3", "Gemma 4"):
        # Their decoder gives up a whole run of bytes for one that is no text; a stream cannot wait.
        data = map(any_model.family.codec.bytes_of, run.tokens.ids.tolist())
        decoded = b"".join(data).decode(errors="replace")
    assert "".join(run.tokens.texts) == decoded


def test_an_answer_ends_at_the_end_token_which_is_no_token_of_it(qwen, monkeypatch):
    full = _record(qwen, max_new_tokens=8)
    answer = full.tokens.ids[full.indices(ANSWER)].tolist()
    first = answer.index(answer[4])  # the answer may repeat itself
    monkeypatch.setattr(
        qwen.family.model.generation_config, "eos_token_id", [answer[4]], raising=True
    )
    run = _record(qwen, max_new_tokens=8)
    assert run.tokens.ids[run.indices(ANSWER)].tolist() == answer[:first]
    assert run.settings["finish"] == "eos"
    assert run.settings["end"] == answer[4]
    assert run.unembedding.index([answer[4]]).size == 1
    assert "end" not in full.settings
    assert full.settings["finish"] == "length"
    assert run.topk[-1, 0] == answer[4]


def test_an_answer_may_be_empty(qwen, monkeypatch):
    start = _record(qwen, max_new_tokens=1)
    first = int(start.tokens.ids[-1])
    monkeypatch.setattr(qwen.family.model.generation_config, "eos_token_id", first)
    run = _record(qwen)
    assert run.answer == ""
    assert run.topk[-1, 0] == first


def test_the_base_id_has_the_smallest_sum_among_ordinary_ids(any_family, family_run):
    run = family_run
    weight = any_family.family.unembedding.weight.float().numpy()
    words = any_family.family.codec._tokenizer
    ordinary = [i for i in range(len(words)) if i not in words.added_tokens_decoder]
    for scale in run.scales:
        sums = (weight @ scale.states.astype(np.float32).T).sum(1)
        assert sums[scale.base_id] == pytest.approx(sums[ordinary].min(), rel=1e-3)
        assert scale.base_id in ordinary
        assert run.unembedding.index([scale.base_id]).size == 1


def test_rows_of_all_tokens_and_of_the_answers_rivals_are_there(qwen):
    run = _record(qwen)
    run.unembedding.index(run.tokens.ids)
    run.unembedding.index(run.topk[1:, 0])
    run.unembedding.index(run.topk[-len(run.indices(ANSWER)) - 1 :, :10])
    at = run.unembedding.index([int(run.tokens.ids[3])])
    weight = qwen.family.unembedding.weight[int(run.tokens.ids[3])]
    assert np.array_equal(run.unembedding.rows[at[0]], weight.half().numpy())


def test_no_hook_is_left_on_the_model(qwen_folder):
    explainer = load(qwen_folder, device="cpu")
    _record(explainer)
    for module in explainer.family.model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_settings_are_json_and_the_run_survives_its_file(qwen, tmp_path):
    run = _record(qwen)
    run.save(tmp_path / "run.npz")
    again = Run.load(tmp_path / "run.npz")
    assert _same_arrays(run, again)
    assert dict(again.settings) == dict(run.settings)
    assert run.settings["decoding"] == "greedy"
    assert set(run.settings["seconds"]) == {"read", "answer", "pack", "scales"}


def test_a_large_picture_is_scaled_down_and_shown_as_the_model_got_it(qwen):
    run = qwen.record(tiny.image(300, 2048), "a cat", scales=(1.0,), max_new_tokens=1)
    assert run.image.shape == (150, 1024, 3)
    assert run.scales[0].views[0].rects[-1][2:].tolist() == [1024, 150]


# Decoding ----------------------------------------------------------------------------------------


def test_sampling_repeats_with_the_seed_and_differs_without(qwen):
    def answer(seed: int) -> list[int]:
        run = _record(qwen, temperature=2.0, seed=seed, scales=(1.0,))
        return run.tokens.ids[run.indices(ANSWER)].tolist()

    assert answer(1) == answer(1)
    assert answer(1) != answer(2)


def test_probabilities_are_those_at_temperature_one_also_when_sampling(qwen):
    run = _record(qwen, temperature=3.0, scales=(1.0,))
    logits, _ = _reference(qwen, run)
    at = run.indices(ANSWER)
    expected = logits.softmax(-1)[run.tokens.positions[at] - 1, run.tokens.ids[at]]
    assert run.probs[at] == pytest.approx(expected.numpy(), rel=1e-3)


# Steps, stopping, threads ------------------------------------------------------------------------


def test_a_stream_tells_every_step_and_ends_with_the_run(qwen):
    *steps, run = qwen.stream(tiny.image(), PROMPT_TEXT, max_new_tokens=5)
    assert isinstance(run, Run)
    assert all(isinstance(s, Step) for s in steps)
    kinds = [s.kind for s in steps]
    assert kinds[0] == "read"
    assert kinds[-2:] == ["scale", "scale"]
    assert [s.text for s in steps if s.kind == "scale"] == ["0.5", "0.75"]
    assert "".join(s.text for s in steps if s.kind == "token") == run.answer
    pickled = pickle.loads(pickle.dumps((steps, run)))
    assert pickled[0] == steps
    assert _same_arrays(pickled[1], run)


def test_callbacks_hear_tokens_and_progress(qwen):
    pieces: list[str] = []
    steps: list[Step] = []
    run = _record(qwen, on_token=pieces.append, on_progress=steps.append)
    assert "".join(pieces) == run.answer
    assert {s.kind for s in steps} == {"read", "token", "scale"}


@pytest.mark.parametrize("after", [0, 3, 9])
def test_a_recording_can_be_stopped_between_steps(qwen, after):
    asked = iter(range(100))
    with pytest.raises(Cancelled):
        _record(qwen, cancel=lambda: next(asked) >= after)


def test_a_closed_stream_leaves_the_model_usable(qwen):
    steps = qwen.stream(tiny.image(), PROMPT_TEXT)
    next(steps)
    next(steps)
    steps.close()
    assert _record(qwen).answer is not None


def test_recordings_that_take_turns_do_not_disturb_each_other(any_family):
    """The model keeps the offset of the last picture as state; ours must not depend on it."""
    pictures = [tiny.image(96, 128), tiny.image(32, 64, seed=1)]
    alone = [any_family.record(p, PROMPT_TEXT, max_new_tokens=3) for p in pictures]
    streams = [any_family.stream(p, PROMPT_TEXT, max_new_tokens=3) for p in pictures]
    done: list[Run | None] = [None, None]
    while None in done:
        for i, stream in enumerate(streams):
            item = next(stream, None)
            done[i] = item if isinstance(item, Run) else done[i]
    assert all(_same_arrays(a, b) for a, b in zip(alone, done, strict=True))


def test_threads_share_the_model(qwen):
    alone = _record(qwen)
    runs: list[Run] = []
    threads = [threading.Thread(target=lambda: runs.append(_record(qwen))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 4
    assert all(_same_arrays(alone, run) for run in runs)


def test_gradients_stay_as_the_caller_has_them_between_steps(qwen):
    stream = qwen.stream(tiny.image(), PROMPT_TEXT)
    next(stream)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    stream.close()


# What cannot be done, said clearly ---------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "  \n", None, 7, "half \ud83d"])
def test_an_unusable_prompt_is_refused(qwen, prompt):
    with pytest.raises(PromptError):
        qwen.record(tiny.image(), prompt)


def test_a_prompt_that_is_too_long_is_refused_with_numbers(qwen):
    with pytest.raises(PromptError, match=r"48 tokens.*512 tokens"):
        qwen.record(tiny.image(), "cat " * 600)


@pytest.mark.parametrize("scales", [(0.0,), (-1,), (5,), ("big",), (float("nan"),)])
def test_an_impossible_scale_is_refused(qwen, scales):
    with pytest.raises(ScaleError, match=r"0\.1\.\.2"):
        _record(qwen, scales=scales)


def test_a_scale_that_makes_the_picture_too_long_is_refused(qwen):
    run = qwen.record(tiny.image(512, 512), "a", scales=(1.0,), max_new_tokens=1)
    assert len(run.scales[0].states) == 64
    family = qwen.family
    limit = family.model.config.text_config.max_position_embeddings
    try:
        family.model.config.text_config.max_position_embeddings = 90
        with pytest.raises(ScaleError, match="takes 90"):
            qwen.add_scale(run, 1.25)
    finally:
        family.model.config.text_config.max_position_embeddings = limit


@pytest.mark.parametrize(
    "options", [{"max_new_tokens": 0}, {"max_new_tokens": True}, {"temperature": -1}]
)
def test_impossible_decoding_is_refused(qwen, options):
    with pytest.raises(PromptError):
        _record(qwen, **options)


def test_errors_come_before_the_stream_starts(qwen):
    with pytest.raises(ImageError):
        qwen.stream(b"no picture", PROMPT_TEXT)


def test_out_of_memory_is_tried_once_more_for_a_scale_and_then_said(qwen, monkeypatch):
    run = _record(qwen, scales=(1.0,))
    expected = qwen.add_scale(run, 0.5)
    real, failures = qwen._engine._forward, [torch.OutOfMemoryError()]

    def forward(*args, **kwargs):
        if failures:
            raise failures.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(qwen._engine, "_forward", forward)
    assert _same_arrays(qwen.add_scale(run, 0.5), expected)
    failures += [torch.OutOfMemoryError(), torch.OutOfMemoryError()]
    with pytest.raises(ModelError, match=r"leave out scale 0\.5"):
        qwen.add_scale(run, 0.5)
    failures.append(torch.OutOfMemoryError())
    with pytest.raises(ModelError, match="smaller picture"):
        _record(qwen)
    failures.append(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    with pytest.raises(ModelError, match="smaller picture"):
        _record(qwen)


def test_infinite_states_are_said_not_stored(qwen, monkeypatch):
    norm = qwen.family.base.language_model.norm.weight
    monkeypatch.setattr(norm, "data", norm.data * 1e6)
    with pytest.raises(ModelError, match="float32"):
        _record(qwen)


# On a GPU ----------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_records_what_a_cpu_records(qwen, qwen_folder):
    there = _record(load(qwen_folder, device="cuda", dtype="float32"))
    here = _record(qwen)
    assert there.settings["device"] == "cuda"
    assert np.array_equal(there.tokens.ids, here.tokens.ids)
    for one, two in zip(there.scales, here.scales, strict=True):
        assert one.states.astype(np.float32) == pytest.approx(
            two.states.astype(np.float32), rel=0.02, abs=0.02
        )


def test_what_a_long_answer_may_take_is_told_before_it_begins(qwen, monkeypatch):
    monkeypatch.setattr(sizes, "free_memory", lambda: 10**9)
    step = next(qwen.stream(tiny.image(), PROMPT_TEXT, max_new_tokens=300, scales=()))
    assert (step.kind, step.total) == ("long", 300)
    assert step.text.endswith(" MB")
    monkeypatch.setattr(sizes, "free_memory", lambda: 10**5)
    with pytest.raises(PromptError, match=r"up to 300 tokens would take .* choose a shorter"):
        qwen.stream(tiny.image(), PROMPT_TEXT, max_new_tokens=300)
