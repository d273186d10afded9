"""The checks of `contract`, each a function of a model with one recording.

Each compares the recording with transformers itself: a forward pass of the whole model, `generate`,
or the tokenizer on the whole text. It returns the measured value, or raises `Failed` or `Skipped`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from explainer.errors import PromptError
from explainer.evaluation.contract_samples import (
    ANOTHER_TEXT,
    CONVERSATION,
    PROMPT_TEXT,
    supported,
    template_ids,
)
from explainer.evaluation.contract_subject import NEW_TOKENS, Failed, Skipped, Subject
from explainer.methods import METHODS
from explainer.models.inputs import Inputs
from explainer.models.picking import penalise
from explainer.run import ANSWER, NOTHING_SAID, PROMPT, View
from explainer.run.geometry import seen_grid

# The model's own numbers --------------------------------------------------------------------------


def _relative_difference(ours: npt.NDArray, theirs: npt.NDArray) -> float:
    """Return the largest difference, relative to the largest value."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-9))


def _check_bound(apart: float, bound: float) -> str:
    if not apart <= bound:  # NaN fails too
        raise Failed(f"{apart:.2g}")
    return f"{apart:.2g}"


def _visual_lens(subject: Subject) -> str:
    run = subject.run
    theirs = subject.own_logits[list(subject.inputs.visual)][:, run.unembedding.ids]
    return _check_bound(_relative_difference(run.visual_logits(1.0).T, theirs), subject.bounds.lens)


def _text_lens(subject: Subject) -> str:
    run, logits = subject.run, subject.own_logits
    # Row t of text_logits predicts token t, at the position before it; row 0 has nothing before.
    rows = [t for t in range(1, len(run.tokens)) if run.tokens.positions[t] <= len(logits)]
    theirs = logits[run.tokens.positions[rows] - 1][:, run.unembedding.ids]
    return _check_bound(_relative_difference(run.text_logits[rows], theirs), subject.bounds.lens)


def _first_choices(subject: Subject) -> str:
    """Measure how often the recorded most probable id is that of the model's own logits."""
    run, logits = subject.run, subject.own_logits
    rows = [t for t in range(1, len(run.tokens)) if run.tokens.positions[t] <= len(logits)]
    own = logits[run.tokens.positions[rows] - 1]
    ours = own[np.arange(len(rows)), run.topk[rows, 0]]
    short = float((own.max(axis=1) - ours).max() / max(np.abs(own).max(), 1e-9))
    return _check_bound(short, subject.bounds.lens)


# What follows from the causal mask ----------------------------------------------------------------


def _independent(subject: Subject) -> str:
    """Compare the visual states before two prompts, and before none."""
    engine = subject.explainer._engine
    one = subject.run.scales[0].states
    other = subject.compose(ANOTHER_TEXT)
    states, _ = engine.read(other)
    two = states[-1, list(other.visual)].float().cpu().numpy()
    none = engine.visual_states(subject.prefixes[1.0])[-1].float().cpu().numpy()
    return _check_bound(
        max(_relative_difference(one, two), _relative_difference(none, two)), subject.bounds.states
    )


def _follow_up(subject: Subject) -> str:
    """Compare the visual states of two scales with and without earlier turns after them."""
    engine, apart = subject.explainer._engine, []
    try:
        whole = subject.compose(PROMPT_TEXT, replace(CONVERSATION, system=""))
    except PromptError as error:
        raise Skipped(str(error)) from None
    said = whole.ids[max(whole.visual) + 1 :]
    for alpha, prefix in subject.prefixes.items():
        states = engine.visual_states(replace(prefix, ids=(*prefix.ids, *said)))[-1]
        held = subject.run.scale(alpha).states
        apart.append(_relative_difference(held, states.float().cpu().numpy()))
    return _check_bound(max(apart), subject.bounds.states)


def _scale_later(subject: Subject) -> str:
    run, explainer = subject.run, subject.explainer
    alone = explainer.record(
        subject.picture, PROMPT_TEXT, scales=(1.0,), max_new_tokens=1, thinking=subject.thinking
    )
    later = explainer.add_scale(alone, 0.5).scale(0.5)
    at_once = run.scale(0.5)
    if [v.grid for v in later.views] != [v.grid for v in at_once.views]:
        raise Failed("another grid")
    return _check_bound(_relative_difference(later.states, at_once.states), subject.bounds.states)


# Tokens -------------------------------------------------------------------------------------------


def _image_tokens(subject: Subject) -> str:
    """Compare the numbers of image ids, grid cells, and features of the vision tower."""
    family, counts = subject.explainer.family, []
    for alpha, inputs in subject.prefixes.items():
        placeholders = inputs.ids.count(family.image_token_id)
        cells = sum(len(view) for view in inputs.views)
        features = _features(subject, inputs)
        counts.append(f"{placeholders}/{cells}/{features}")
        if not placeholders == cells == features == len(inputs.visual):
            raise Failed(f"ids/cells/features {counts[-1]} at scale {alpha:g}")
    return f"ids/cells/features {', '.join(counts)}"


def _features(subject: Subject, inputs: Inputs) -> int:
    family = subject.explainer.family
    tensors = {name: t.to(family.input_device) for name, t in inputs.tensors.items()}
    with torch.inference_mode():
        out = family.base.get_image_features(**tensors)
    out = getattr(out, "pooler_output", out)
    parts = out if isinstance(out, (list, tuple)) else [out]
    return sum(part.reshape(-1, part.shape[-1]).shape[0] for part in parts)


def _plain_text(subject: Subject) -> str:
    """Check that special tokens typed as text do not become special ids."""
    family = subject.explainer.family
    added = family.codec.added
    typed = " ".join(["What does", *added.values(), "mean?"])
    inputs = subject.compose(typed)
    at = inputs.text_positions
    ids = [inputs.ids[p] for p, role in zip(at, inputs.roles, strict=True) if role == PROMPT]
    special = sorted({added[i] for i in ids if i in added})
    if special:
        raise Failed(f"special tokens from typed text: {', '.join(special[:3])}")
    if inputs.ids.count(family.image_token_id) != len(inputs.visual):
        raise Failed("a typed image token counts as a picture")
    said = "".join(family.codec.texts(ids))
    if typed not in said:
        raise Failed(f"the text is decoded as {said[:60]!r}")
    return f"{len(added)} special tokens typed"


def _template(subject: Subject) -> str:
    """Compare the ids with those of the tokenizer on the whole rendered template."""
    family = subject.explainer.family
    layout = family.picture(subject.run.image, 1.0).layout
    for prompt, conversation in (
        (PROMPT_TEXT, NOTHING_SAID),
        (f"  {PROMPT_TEXT} ", NOTHING_SAID),
        *((PROMPT_TEXT, part) for part in supported(family, subject.run.image)),
    ):
        ours = subject.compose(prompt, conversation).ids
        theirs = template_ids(family, layout, prompt, subject.thinking, conversation)
        if list(ours) != theirs:
            at = next(
                (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
                min(len(ours), len(theirs)),
            )
            piece = family.codec.piece
            here = [piece(ids[at]) if at < len(ids) else "the end" for ids in (ours, theirs)]
            raise Failed(
                f"{prompt!r}: position {at} is {here[0]!r}, by the whole template {here[1]!r}"
            )
    return f"{len(ours)} ids equal"


def _round_trip(subject: Subject) -> str:
    """Compare the texts of the recorded tokens with the decoded ids."""
    run, family = subject.run, subject.explainer.family
    ids = run.tokens.ids.tolist()
    data = b"".join(family.codec.bytes_of(i) for i in ids).decode("utf-8", "replace")
    said = "".join(run.tokens.texts)
    if said != data:
        raise Failed(f"{said[:50]!r} is not {data[:50]!r}")
    prompt = "".join(run.tokens.texts[i] for i in run.indices(PROMPT))
    if PROMPT_TEXT not in prompt:
        raise Failed(f"the prompt is decoded as {prompt!r}")
    return f"{len(ids)} tokens"


# Geometry -----------------------------------------------------------------------------------------


def _tiled(subject: Subject) -> str:
    """Check that the cells of each view cover its part of the picture once, and nothing else."""
    shares = []
    height, width = subject.run.image.shape[:2]
    for scale in subject.run.scales:
        for view in scale.views:
            shares.append(_coverage(view, width, height))
    return f"{len(shares)} grids, at least {min(shares):.0%} of the picture"


def _coverage(view: View, width: int, height: int) -> float:
    grid = seen_grid(view)
    x0, y0, x1, y1 = grid.extent
    if min(x0, y0) < -0.01 or x1 > width + 0.01 or y1 > height + 0.01:
        raise Failed(f"cells extend beyond the picture: {x0:g}, {y0:g}, {x1:g}, {y1:g}")
    rects = view.rects[np.isfinite(view.rects).all(axis=1)].astype(np.float64)
    area = float(((rects[:, 2] - rects[:, 0]) * (rects[:, 3] - rects[:, 1])).sum())
    extent = (x1 - x0) * (y1 - y0)
    if abs(area - extent) > 1e-3 * extent:
        raise Failed(f"cells cover {area / extent:.3f} of their part of the picture")
    return extent / (width * height)


# The answer ---------------------------------------------------------------------------------------


def _greedy(subject: Subject) -> str:
    """Compare the answer with what transformers generates with the checkpoint's config."""
    family, run = subject.explainer.family, subject.run
    with torch.inference_mode():
        out = family.model.generate(
            **subject.own_inputs(subject.inputs.ids),
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            num_beams=1,
            eos_token_id=sorted(family.stop_ids) or None,
        )
    theirs = out[0, len(subject.inputs.ids) :].tolist()
    stop = next((i for i, token in enumerate(theirs) if token in family.stop_ids), len(theirs))
    theirs, ours = theirs[:stop], run.tokens.ids[run.indices(ANSWER)].tolist()
    same = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if same is None and len(ours) == len(theirs):
        return f"{len(ours)} tokens equal"
    at = min(len(ours), len(theirs)) if same is None else same
    if len(subject.answer) < len(ours) and at >= len(subject.answer):
        raise Skipped("the model generates the image token")
    if run.settings["dtype"] != "float32" and _is_near_tie(subject, at):
        return f"equal up to a near tie at token {at + 1}"
    raise Failed(f"differs from token {at + 1} on")


def _is_near_tie(subject: Subject, at: int) -> bool:
    """Return whether the runner-up of answer token `at` was nearly as probable."""
    seen = [*subject.inputs.ids, *subject.answer[:at]]
    logits = torch.from_numpy(subject.own_logits[len(seen) - 1])
    scores = penalise(logits, set(seen), subject.run.settings["repetition_penalty"])
    best, second = scores.topk(2).values.tolist()
    return second - best > math.log(0.9)


def explained(subject: Subject, name: str) -> str:
    """Check that a method explains the last token by finite values in range."""
    run = subject.run
    start = time.perf_counter()
    heat = METHODS[name](run, len(run.tokens) - 1)
    seconds = time.perf_counter() - start
    subject.seconds["explain"] = round(subject.seconds.get("explain", 0.0) + seconds, 4)
    values = np.concatenate([part.values.ravel() for part in heat.parts])
    low = -1 if heat.signed else 0
    if not np.isfinite(values).all():
        raise Failed("not finite")
    if values.min() < low - 1e-5 or values.max() > 1 + 1e-5:
        raise Failed(f"{values.min():.3g} to {values.max():.3g}")
    return f"{values.min():.2f} to {values.max():.2f}"


# Name, requirement (a text, or a function of the subject), and the check.
CHECKS: tuple[tuple[str, str | Callable[[Subject], str], Callable[[Subject], str]], ...] = (
    ("lens = model's logits, visual tokens", lambda s: f"<= {s.bounds.lens:g}", _visual_lens),
    ("lens = model's logits, text tokens", lambda s: f"<= {s.bounds.lens:g}", _text_lens),
    ("first candidate = model's first", lambda s: f"<= {s.bounds.lens:g}", _first_choices),
    (
        "visual states do not change with the text",
        lambda s: f"<= {s.bounds.states:g}",
        _independent,
    ),
    ("a follow-up keeps the scales", lambda s: f"<= {s.bounds.states:g}", _follow_up),
    ("a scale added later = recorded at once", lambda s: f"<= {s.bounds.states:g}", _scale_later),
    ("image tokens = grid = vision features", "equal", _image_tokens),
    ("special tokens typed by a user stay text", "none special", _plain_text),
    ("ids = tokenizer on the whole template", "equal", _template),
    ("recorded texts = decoded ids", "equal", _round_trip),
    ("cells tile the seen part of the picture", "once, inside", _tiled),
    (f"greedy answer = transformers' ({NEW_TOKENS} tokens)", "equal", _greedy),
)
