"""From the states that a generation leaves to the arrays of a `Run`."""

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
from explainer.models.base import Inputs
from explainer.models.decoding import Decoding
from explainer.models.engine import Engine, Ranking, to_float16
from explainer.recording.request import Request, check_text
from explainer.run import ANSWER, PROMPT, Layer, Run, Scale, Tokens, Unembedding

TOP_K = 200
CANDIDATES = 10
WORDS = 5  # of each visual token
LONGEST_WORD, MOST_WORDS = 16, 200  # of words typed later: tokens of one, and how many


@dataclass(eq=False)
class GeneratedAnswer:
    """What a generation leaves: R ids, the states (D, d) at them, and why it ended.

    `finish` is "eos", "length", or "given" for an answer that was not generated; `end` is the token
    that ended it, which is none of its R, None if there was none.
    """

    ids: list[int] = field(default_factory=list)
    states: list[torch.Tensor] = field(default_factory=list)
    finish: str = "length"
    end: int | None = None


def pack_run(
    engine: Engine, request: Request, inputs: Inputs, states: torch.Tensor, answer: GeneratedAnswer
) -> Run:
    """Return the run at scale 1.

    Args:
        states: (D, L, d), those of the whole input sequence; the last are the run's own, the others
            those of the layers asked for.
        answer: what was generated after it.
    """
    family = engine.family
    tokens = _tokens(engine, inputs, answer)
    rows = _predicting_rows(inputs, states, answer)
    scales = pack_scales(engine, 1.0, inputs, states[:, list(inputs.visual)])
    *lower, (stored, ranking) = (_read_lens(engine, tokens, part) for part in rows)
    layers = tuple(
        Layer(number, (scale,), part, seen.topk, seen.candidate_probs, seen.probs[:-1])
        for number, scale, (part, seen) in zip(request.layers, scales, lower, strict=False)
    )
    words = engine.top_ids(states[-1, list(inputs.visual)], WORDS)
    listed = [ranking.topk, words, *(layer.topk for layer in layers)]
    in_play = _in_play(tokens, ranking.topk, len(answer.ids))
    in_play |= {answer.end} - {None}
    in_play |= ids_of_bases(scales) | _first_guesses(tokens, layers)
    return Run(
        images=request.asked.images,
        labels=request.asked.labels,
        video=request.asked.video,
        prompt=request.prompt,
        model_id=family.model_id,
        tokens=tokens,
        states=stored,
        topk=ranking.topk,
        candidate_probs=ranking.candidate_probs,
        probs=ranking.probs[:-1],
        scales=scales[-1:],
        unembedding=pack_unembedding(engine, in_play),
        pieces=_pieces(engine, listed, in_play),
        settings=_settings(engine, request, answer),
        visual_topk=words,
        layer=family.depth,
        layers=layers,
    )


def pack_scales(
    engine: Engine, alpha: float, inputs: Inputs, states: torch.Tensor
) -> tuple[Scale, ...]:
    """Return one scale from the states (D, N, d) at its visual tokens, as each of D layers has
    it."""
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


def ids_of_bases(scales: Iterable[Scale]) -> set[int]:
    """Return the ids of all A_0, whose rows travel with a run."""
    return {i for s in scales for i in (s.base_id, s.least_id) if i is not None}


def with_ids(engine: Engine, run: Run, ids: Iterable[int]) -> Run:
    """Return a run that also holds the rows and pieces of these ids."""
    wanted = [int(i) for i in ids]
    spelled = {i: engine.family.codec.piece(i) for i in wanted if i not in run.pieces}
    return replace(
        run,
        unembedding=pack_unembedding(engine, [*run.unembedding.ids.tolist(), *wanted]),
        pieces={**run.pieces, **spelled},
    )


def with_words(engine: Engine, run: Run, words: Sequence[str]) -> Run:
    """Return a run that also holds the rows of these words' pieces, and says which they are.

    Raises `RunError` for what is too long for a word, or for too many words.
    """
    told: dict[str, list[int]] = dict(run.settings.get("words", {}))
    for word in words:
        ids = engine.family.codec.encode_within(check_text(word, "word", "type a word"))
        if len(ids) > LONGEST_WORD:
            raise RunError(
                f"{word[:40]!r} takes {len(ids)} tokens, and a word at most {LONGEST_WORD}; "
                "shorten it, or give it as an answer"
            )
        told[word] = ids
    if len(told) > MOST_WORDS:
        raise RunError(f"a run takes {MOST_WORDS} further words; record it again for others")
    added = with_ids(engine, run, {i for ids in told.values() for i in ids})
    return replace(added, settings={**run.settings, "words": told})


def pack_unembedding(engine: Engine, ids: Iterable[int]) -> Unembedding:
    """Return the rows of W for these ids."""
    wanted = np.unique(np.fromiter(ids, np.int32))
    return Unembedding(wanted, *engine.rows(wanted))


def _tokens(engine: Engine, inputs: Inputs, answer: GeneratedAnswer) -> Tokens:
    at = inputs.text_positions
    end = len(inputs.ids)
    ids = [*(inputs.ids[p] for p in at), *answer.ids]
    return Tokens(
        ids=np.array(ids, np.int32),
        texts=engine.family.codec.texts(ids),
        roles=np.array([*inputs.roles, *[ANSWER] * len(answer.ids)], np.uint8),
        positions=np.array([*at, *range(end, end + len(answer.ids))], np.int32),
    )


def _predicting_rows(inputs: Inputs, states: torch.Tensor, answer: GeneratedAnswer) -> torch.Tensor:
    """Return (D, T + 1, d): the state before each text token, and the one at the last."""
    before = [max(p - 1, 0) for p in [*inputs.text_positions, len(inputs.ids)]]
    return torch.cat([states[:, before], *(state[:, None] for state in answer.states)], dim=1)


def _read_lens(
    engine: Engine, tokens: Tokens, rows: torch.Tensor
) -> tuple[npt.NDArray[np.float16], Ranking]:
    """Return T + 1 states of one layer as they are stored, and what they predict.

    The last one predicts no token of the run; before the first token there may be no state.
    """
    ranking = engine.rank(rows, [*tokens.ids.tolist(), 0], TOP_K, CANDIDATES)
    stored = to_float16(rows)
    if tokens.positions[0] == 0:
        ranking.topk[0], ranking.candidate_probs[0], ranking.probs[0] = -1, 0, np.nan
        stored[0] = 0
    return stored, ranking


def _in_play(tokens: Tokens, topk: npt.NDArray[np.int32], answered: int) -> set[int]:
    """Return the ids whose rows travel with a run, besides those that scales and layers need.

    All tokens, what each state would have said first, and for the answer the candidates that were
    passed over, so that they can be explained too.
    """
    first = topk[:, 0][topk[:, 0] >= 0].tolist()
    rivals = topk[len(topk) - 1 - answered :, :CANDIDATES].ravel().tolist()
    return {*tokens.ids.tolist(), *first, *rivals}


def _first_guesses(tokens: Tokens, layers: Sequence[Layer]) -> set[int]:
    """Return what each layer would have said after the first prompt token, for TAM as published."""
    after = np.flatnonzero(tokens.roles == PROMPT)[:1] + 1
    return {int(layer.topk[row, 0]) for layer in layers for row in after}


def _pieces(
    engine: Engine, listed: Sequence[npt.NDArray[np.int32]], others: Iterable[int]
) -> dict[int, str]:
    known = {int(i) for ids in listed for i in np.unique(ids[ids >= 0])}
    return {i: engine.family.codec.piece(i) for i in sorted({*known, *others})}


def _settings(engine: Engine, request: Request, answer: GeneratedAnswer) -> dict[str, Any]:
    family = engine.family
    return {
        "family": family.label,
        "revision": family.revision,
        **family.origin,
        "scales": [1.0],
        **({"decoding": "given"} if request.given is not None else _drawn(request.decoding)),
        "finish": answer.finish,
        **({} if answer.end is None else {"end": answer.end}),
        "dtype": str(family.unembedding.weight.dtype).removeprefix("torch."),
        "device": family.device.type,
        "image_notes": list(request.asked.notes),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": version("transformers"),
        },
    }


def _drawn(decoding: Decoding) -> dict[str, Any]:
    return {
        "decoding": "sampling" if decoding.temperature else "greedy",
        "max_new_tokens": int(decoding.max_new_tokens),
        "temperature": float(decoding.temperature),
        "seed": int(decoding.seed),
        "repetition_penalty": float(decoding.repetition_penalty),
    }
