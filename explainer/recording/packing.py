"""Pack the states of a generation into the arrays of a `Run`."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from explainer.errors import RunError
from explainer.models.decoding import Decoding
from explainer.models.engine import Engine, Ranking, to_float16
from explainer.models.inputs import Inputs
from explainer.recording.request import Request, check_text
from explainer.run import ANSWER, PROMPT, Layer, Run, Scale, Tokens, Unembedding

TOP_K = 200
CANDIDATES = 10
WORDS = 5  # top words of each visual token
LONGEST_WORD, MOST_WORDS = 16, 200  # words added later: tokens per word, number of words


@dataclass(eq=False)
class GeneratedAnswer:
    """An answer of R tokens: ids, states (D, d) at them, and why it ended.

    `finish` is "eos", "length", or "given" for a teacher-forced answer. `end` is the id of the
    end token, which is not one of the R, or None.
    """

    ids: list[int] = field(default_factory=list)
    states: list[torch.Tensor] = field(default_factory=list)
    finish: str = "length"
    end: int | None = None


def pack_run(
    engine: Engine, request: Request, inputs: Inputs, states: torch.Tensor, answer: GeneratedAnswer
) -> Run:
    """Pack a run at scale 1.

    Args:
        states: (D, L, d) states of the whole input sequence: the requested further layers, then the
            last layer.
        answer: the answer that follows the input.
    """
    family = engine.family
    tokens = _pack_tokens(engine, inputs, answer)
    rows = _select_predicting_states(inputs, states, answer)
    scales = pack_scales(engine, 1.0, inputs, states[:, list(inputs.visual)])
    *lower, (stored, ranking) = (_rank_predictions(engine, tokens, part) for part in rows)
    layers = tuple(
        Layer(number, (scale,), part, seen.topk, seen.candidate_probs, seen.probs[:-1])
        for number, scale, (part, seen) in zip(request.layers, scales, lower, strict=False)
    )
    words = engine.top_ids(states[-1, list(inputs.visual)], WORDS)
    listed = [ranking.topk, words, *(layer.topk for layer in layers)]
    row_ids = _select_row_ids(tokens, ranking.topk, len(answer.ids))
    row_ids |= set() if answer.end is None else {answer.end}
    row_ids |= collect_base_ids(scales) | _collect_first_predictions(tokens, layers)
    return Run(
        images=request.visual.images,
        labels=request.visual.labels,
        video=request.visual.video,
        prompt=request.prompt,
        model_id=family.model_id,
        tokens=tokens,
        states=stored,
        topk=ranking.topk,
        candidate_probs=ranking.candidate_probs,
        probs=ranking.probs[:-1],
        scales=scales[-1:],
        unembedding=pack_unembedding(engine, row_ids),
        pieces=_collect_pieces(engine, listed, row_ids),
        settings=_collect_settings(engine, request, answer),
        visual_topk=words,
        layer=family.depth,
        layers=layers,
        conversation=request.conversation,
    )


def pack_scales(
    engine: Engine, alpha: float, inputs: Inputs, states: torch.Tensor
) -> tuple[Scale, ...]:
    """Pack the states (D, N, d) of the visual tokens at one scale into D scales, one a layer."""
    return tuple(
        Scale(
            alpha=alpha,
            views=inputs.views,
            states=to_float16(part),
            base_id=base_id,
            least_id=least_id,
        )
        for part, (base_id, least_id) in zip(states, map(engine.least_ids, states), strict=True)
    )


def collect_base_ids(scales: Iterable[Scale]) -> set[int]:
    """Return the ids whose unembedding rows the base activations A_0 of these scales need."""
    return {i for s in scales for i in (s.base_id, s.least_id) if i is not None}


def add_unembedding_rows(engine: Engine, run: Run, ids: Iterable[int]) -> Run:
    """Add the unembedding rows and the pieces of these ids to a run."""
    wanted = [int(i) for i in ids]
    spelled = {i: engine.family.codec.piece(i) for i in wanted if i not in run.pieces}
    return replace(
        run,
        unembedding=pack_unembedding(engine, [*run.unembedding.ids.tolist(), *wanted]),
        pieces={**run.pieces, **spelled},
    )


def add_word_rows(engine: Engine, run: Run, words: Sequence[str]) -> Run:
    """Add the unembedding rows of words to a run, and their ids to its settings.

    Raises `RunError` for a word of more than `LONGEST_WORD` tokens, or too many words.
    """
    word_ids: dict[str, list[int]] = dict(run.settings.get("words", {}))
    for word in words:
        ids = engine.family.codec.encode_within(check_text(word, "word", "type a word"))
        if len(ids) > LONGEST_WORD:
            raise RunError(
                f"{word[:40]!r} has {len(ids)} tokens, and a word has at most {LONGEST_WORD}; "
                "shorten it, or use it as an answer"
            )
        word_ids[word] = ids
    if len(word_ids) > MOST_WORDS:
        raise RunError(f"a run holds at most {MOST_WORDS} added words; record it again for others")
    added = add_unembedding_rows(engine, run, {i for ids in word_ids.values() for i in ids})
    return replace(added, settings={**run.settings, "words": word_ids})


def pack_unembedding(engine: Engine, ids: Iterable[int]) -> Unembedding:
    """Return the rows of the unembedding matrix W for these ids."""
    wanted = np.unique(np.fromiter(ids, np.int32))
    return Unembedding(wanted, *engine.rows(wanted))


def _pack_tokens(engine: Engine, inputs: Inputs, answer: GeneratedAnswer) -> Tokens:
    at = inputs.text_positions
    end = len(inputs.ids)
    ids = [*(inputs.ids[p] for p in at), *answer.ids]
    return Tokens(
        ids=np.array(ids, np.int32),
        texts=engine.family.codec.texts(ids),
        roles=np.array([*inputs.roles, *[ANSWER] * len(answer.ids)], np.uint8),
        positions=np.array([*at, *range(end, end + len(answer.ids))], np.int32),
    )


def _select_predicting_states(
    inputs: Inputs, states: torch.Tensor, answer: GeneratedAnswer
) -> torch.Tensor:
    """Return (D, T + 1, d): the state before each text token, and the one at the last."""
    before = [max(p - 1, 0) for p in [*inputs.text_positions, len(inputs.ids)]]
    return torch.cat([states[:, before], *(state[:, None] for state in answer.states)], dim=1)


def _rank_predictions(
    engine: Engine, tokens: Tokens, rows: torch.Tensor
) -> tuple[npt.NDArray[np.float16], Ranking]:
    """Return the T + 1 states of one layer in float16, and the ranking of what they predict.

    The last state predicts no token of the run. If the first token has position 0, no state
    precedes it, and its row is filled with zeros, -1 and NaN.
    """
    ranking = engine.rank(rows, [*tokens.ids.tolist(), 0], TOP_K, CANDIDATES)
    stored = to_float16(rows)
    if tokens.positions[0] == 0:
        ranking.topk[0], ranking.candidate_probs[0], ranking.probs[0] = -1, 0, np.nan
        stored[0] = 0
    return stored, ranking


def _select_row_ids(tokens: Tokens, topk: npt.NDArray[np.int32], answered: int) -> set[int]:
    """Return the ids whose unembedding rows a run stores, besides those of scales and layers.

    These are all tokens, the top prediction of each state, and the candidates at each answer token,
    so that these can be explained, too.
    """
    first = topk[:, 0][topk[:, 0] >= 0].tolist()
    candidates = topk[len(topk) - 1 - answered :, :CANDIDATES].ravel().tolist()
    return {*tokens.ids.tolist(), *first, *candidates}


def _collect_first_predictions(tokens: Tokens, layers: Sequence[Layer]) -> set[int]:
    """Return the top prediction of each layer after the first prompt token, for published TAM."""
    after = np.flatnonzero(tokens.roles == PROMPT)[:1] + 1
    return {int(layer.topk[row, 0]) for layer in layers for row in after}


def _collect_pieces(
    engine: Engine, listed: Sequence[npt.NDArray[np.int32]], others: Iterable[int]
) -> dict[int, str]:
    known = {int(i) for ids in listed for i in np.unique(ids[ids >= 0])}
    return {i: engine.family.codec.piece(i) for i in sorted({*known, *others})}


def _collect_settings(engine: Engine, request: Request, answer: GeneratedAnswer) -> dict[str, Any]:
    family = engine.family
    return {
        "family": family.label,
        "revision": family.revision,
        **family.origin,
        **({} if family.logit_softcap is None else {"logit_softcap": family.logit_softcap}),
        "scales": [1.0],
        **(
            {"decoding": "given"}
            if request.answer_ids is not None
            else _describe_decoding(request.decoding)
        ),
        **({"thinking": True} if request.thinking else {}),
        "finish": answer.finish,
        **({} if answer.end is None else {"end": answer.end}),
        "dtype": str(family.unembedding.weight.dtype).removeprefix("torch."),
        "device": family.device.type,
        "image_notes": list(request.visual.notes),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": version("transformers"),
        },
    }


def _describe_decoding(decoding: Decoding) -> dict[str, Any]:
    return {
        "decoding": "sampling" if decoding.temperature else "greedy",
        "max_new_tokens": int(decoding.max_new_tokens),
        "temperature": float(decoding.temperature),
        "seed": int(decoding.seed),
        "repetition_penalty": float(decoding.repetition_penalty),
    }
