"""The words before the explained one, for the page: their relevance, shares and guesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explainer.methods.anatomy import Anatomy, Overlap, overlap, peak
from explainer.run import ROLE_NAMES, Chip, Run
from explainer.ui.sections.step_by_step import words
from explainer.web import texts, token_text
from explainer.web.messages import EarlierWord, Guess, GuessList, GuessPair


@dataclass(frozen=True)
class Case:
    """One token and how its map came about, with all that captions speak of."""

    run: Run
    token: int
    knobs: Mapping[str, Any]
    found: Anatomy

    @property
    def word(self) -> str:
        return token_text.visible(self.run.tokens.texts[self.token])

    @property
    def scales_peak(self) -> float:
        """Return the score at the end of the colours of the scales' own maps."""
        return peak(*(scale.parts for scale in self.found.scales))

    @property
    def peak(self) -> float:
        """Return the score at the end of the colours of the maps that the equation is made of."""
        return peak(self.found.fused, self.found.interference, self.found.before)


def earlier_words(case: Case) -> list[EarlierWord]:
    """Return the earlier chips that count or are left out as repeats, in order.

    A chip of several tokens has the sum of their weights and shares, and the relevance of the
    first.
    """
    return [
        _word(case, index, chip)
        for index, chip in enumerate(case.run.chips)
        if chip.tokens[-1] < case.token and np.isfinite(_relevance(case, chip))
    ]


def _relevance(case: Case, chip: Chip) -> float:
    return float(case.found.context.relevance[chip.tokens[0]])


def _word(case: Case, index: int, chip: Chip) -> EarlierWord:
    context, tokens = case.found.context, list(chip.tokens)
    relevance, part = _relevance(case, chip), float(context.shares[tokens].sum())
    repeat, text = bool(context.repeats[tokens].all()), token_text.visible(chip.text)
    share = words.REPEAT if repeat else texts.percent(part)
    label = words.LABEL.format(word=text, relevance=f"{relevance:.2f}", share=share)
    return EarlierWord(
        chip=index,
        text=text,
        role=ROLE_NAMES[chip.role],
        label=words.LABEL_REPEAT.format(word=text) if repeat else label,
        relevance=relevance,
        weight=float(context.weights[tokens].sum()),
        part=part,
        share=share,
        repeat=repeat,
    )


def base_sentence(case: Case) -> str:
    """Return a sentence on the base map A_0, "" where it takes nothing away."""
    share = case.found.context.base_share
    return words.BASE.format(share=texts.percent(share)) if share >= 0.005 else ""


# Two lists side by side --------------------------------------------------------------------------


def pair_of_lists(case: Case, chips: list[EarlierWord], beside: int | None) -> GuessPair | None:
    """Return the guesses at a chip beside those at the token; None if there is no earlier chip."""
    if not chips:
        return None
    asked = [chip for chip in chips if chip.chip == beside]
    chip = asked[0] if asked else max(chips, key=lambda c: (c.part, c.weight))
    other = case.run.chips[chip.chip].tokens[0]
    found = overlap(case.run, other, case.token, **case.knobs)
    title, rows = words.LIST[case.knobs["state"]], _rows(case.run, found)
    return GuessPair(
        chip=chip.chip,
        text=_describe_overlap(case, chip, found),
        lists=[
            GuessList(title=title.format(word=word), rows=listed_rows)
            for word, listed_rows in zip((chip.text, case.word), rows, strict=True)
        ],
    )


def _rows(run: Run, found: Overlap) -> tuple[list[Guess], list[Guess]]:
    """Return both lists."""
    shared = {s.token_id: s for s in found.shared}

    def row(token_id: int, rank: str) -> Guess:
        text = token_text.visible(run.pieces.get(token_id, f"⟨{token_id}⟩"))
        match = shared.get(token_id)
        if match is None:
            return Guess(text=text, other=None, gain=0.0, label=text)
        other = getattr(match, rank)
        label = words.SHARED.format(word=text, rank=other, gain=f"{match.gain:.3f}")
        return Guess(text=text, other=other, gain=match.gain, label=label)

    first = [row(int(i), "second") for i in found.first]
    return first, [row(int(i), "first") for i in found.second]


def _describe_overlap(case: Case, chip: EarlierWord, found: Overlap) -> str:
    """Return in words what the overlap means for the map."""
    r, weights = found.relevance, case.knobs["weights"]
    told = {
        "other": chip.text,
        "word": case.word,
        "alike": _graded(words.ALIKE, r),
        "relevance": f"{r:.2f}",
        "shared": len(found.shared),
        "k": len(found.first),
        "weight": texts.percent(1 - r),
        "share": chip.share,
    }
    said = [words.PAIR]
    if chip.repeat:
        said.append(words.SAME)
    else:
        counts = weights == "rbo"
        said.append(_graded(words.COUNTS, r) if counts else words.NO_PART[weights])
        if chip.weight > 0 and case.found.beta:
            said.append(words.SHARE if chip.part else words.DARK)
    return " ".join(sentence.format(**told) for sentence in said)


def _graded(grades: Sequence[tuple[float, str]], value: float) -> str:
    """Return the words of the first grade that a value reaches."""
    return next(sentence for least, sentence in grades if value >= least)
