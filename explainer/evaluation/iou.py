"""Obj-IoU and Func-IoU: how well the maps of an answer match things and avoid the rest.

Source: the evaluation of TAM (arXiv 2506.23270), also used for MSEA + ARC (arXiv 2509.22415).

    Obj-IoU   a word that names a thing: intersection over union of its map, cut at Otsu's
              threshold, and the thing's mask
    Func-IoU  a function word: the share of its map's cells below the mean threshold of the nouns
    F1-IoU    2 O F / (O + F), of the two averages over all words

They measure plausibility, not what the model relied on (see `faithfulness`), and Func-IoU rewards
dark maps. Two modes:

    tam     the published evaluation with all its side effects, see `judge_tam`
    clean   the same figures without side effects, see `judge_clean`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.evaluation.opencv_resize import resize
from explainer.evaluation.tally import Tally, add_value, make_tally
from explainer.evaluation.words import (
    FUNCTION,
    NOUN,
    PUNCTUATION,
    Categories,
    Grammar,
    Word,
    find_mentions,
    name_of,
    tam_label,
)
from explainer.methods.base import Heatmap
from explainer.methods.otsu import otsu
from explainer.run import ANSWER, PROMPT, Run
from explainer.run.geometry import Placement

Cells = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

# Figures summed over words, each as [sum, count]; F1-IoU follows from obj_iou and func_iou.
FIGURES = ("obj_iou", "func_iou", "precision", "recall", "pointing", "punct_iou", "obj_iou_shown")


class Fillable(Protocol):
    """A part of a mask."""

    def fill(self, shape: tuple[int, int]) -> Mask: ...


@dataclass(frozen=True, eq=False)
class Truth:
    """The masks of a picture.

    Attributes:
        shape: (height, width) of the masks; None if there is no mask file.
        masks: (height, width) bool for each label in the picture; they may overlap.
        unusable: the reason for each label with an unusable mask. Such a label has no mask at all,
            because a part would judge maps against a part of a thing.
    """

    shape: tuple[int, int] | None
    masks: Mapping[int, Mask] = field(default_factory=dict)
    unusable: Mapping[int, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of_parts(
        cls,
        shape: tuple[int, int],
        parts: Mapping[int, Sequence[Fillable]],
        unusable: Mapping[int, Sequence[str]],
    ) -> Truth:
        """Return the masks of all usable labels, each the union of its parts."""
        masks = {}
        for label in parts.keys() - unusable.keys():
            masks[label] = np.zeros(shape, bool)
            for part in parts[label]:
                masks[label] |= part.fill(shape)
        return cls(shape, dict(sorted(masks.items())), unusable)

    def of(self, label: int) -> Mask | None:
        """Return where things of this kind are, None if there are none."""
        mask = self.masks.get(label)
        return mask if mask is not None and mask.any() else None


@dataclass(frozen=True)
class Fit:
    """How well a map fits the mask of a thing.

    `precision` is NaN if nothing is predicted. `hit` tells whether a maximum of the map lies on the
    thing; a constant map has no hit.
    """

    iou: float
    precision: float
    recall: float
    hit: bool


@dataclass(frozen=True, eq=False)
class Grey:
    """A map in 256 levels.

    Attributes:
        cells: (h, w), on the token grid.
        placement: where the cells lie in the picture, in shares of its sides.
    """

    cells: Cells
    placement: Placement

    @classmethod
    def of(cls, heatmap: Heatmap, run: Run) -> Grey:
        """Return the first image's map cut to 8 bits as TAM cuts it; what is negative is 0."""
        part = heatmap.parts[0]
        # The eighth of a level lifts what float32 has pressed just below its level.
        levels = np.floor(255.0 * part.values.astype(np.float64) + 0.125)
        place = part.placement.shares(run.image.shape)
        return cls(np.clip(levels, 0, 255).astype(np.uint8), place)

    @property
    def areas(self) -> npt.NDArray[np.float64]:
        """Return the share (h, w) of the picture that the model saw in each cell."""
        return self.placement.areas(self.cells.shape)

    def over(self, shape: tuple[int, int]) -> Cells:
        """Return the map resized to a mask (H, W)."""
        picture = Image.fromarray(self.cells)
        return np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR))

    def cut(self, shape: tuple[int, int]) -> tuple[Cells, Mask, int]:
        """Return the map at the size of a mask, its prediction, and the threshold.

        Outside of the part of the picture that the model saw, the map is 0 and predicts nothing.
        """
        place = self.placement.sized(shape)
        x0, y0, x1, y1 = place.pixels(shape)
        box = place.within((x0, y0, x1, y1), self.cells.shape)
        picture, size = Image.fromarray(self.cells), (x1 - x0, y1 - y0)
        inner = np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box))
        threshold = otsu(inner)
        if inner.shape == shape:
            return inner, inner > threshold, threshold
        levels, predicted = np.zeros(shape, np.uint8), np.zeros(shape, bool)
        levels[y0:y1, x0:x1], predicted[y0:y1, x0:x1] = inner, inner > threshold
        return levels, predicted, threshold


Greys = Mapping[int, Grey]  # of answer tokens, by their index in the run


def fit(levels: Cells, predicted: Mask, mask: Mask) -> Fit:
    """Return how a map and what it predicts fit a mask that is not empty."""
    inside, claimed, true = (int(np.count_nonzero(m)) for m in (predicted & mask, predicted, mask))
    precision = inside / claimed if claimed else float("nan")
    top = int(levels.max())
    hit = top > int(levels.min()) and bool(np.any(mask & (levels == top)))
    return Fit(inside / (claimed + true - inside), precision, inside / true, hit)


def f1(obj: float, func: float) -> float:
    """Return F1-IoU; 0 where both are 0."""
    return 2 * obj * func / (obj + func) if obj + func else 0.0


def _count_fit(tally: Tally, best: Fit) -> None:
    add_value(tally, "obj_iou", best.iou)
    add_value(tally, "precision", best.precision)
    add_value(tally, "recall", best.recall)
    add_value(tally, "pointing", float(best.hit))


def _best(fits: Sequence[Fit]) -> Fit:
    """Return the fit with the largest IoU, the first of several."""
    return max(fits, key=lambda f: f.iou)


def _share_below(word: Word, maps: Greys, dark: float) -> float:
    """Return the share of cells of the token grid below `dark`, a mean over the word's tokens."""
    return float(np.mean([np.mean(maps[token].cells < dark) for token in word.tokens]))


def _area_below(word: Word, maps: Greys, dark: float) -> float:
    """Return the share of the seen picture in cells below `dark`, a mean over the word's tokens."""
    shares = [maps[token].areas[maps[token].cells < dark].sum() for token in word.tokens]
    return float(np.mean(shares))


# As published ------------------------------------------------------------------------------------


def tam_sources(run: Run) -> dict[int, int]:
    """Return for each answer token the token whose map TAM's evaluation uses.

    It is the token itself, except for the first: because of an index error it is the first prompt
    token.
    """
    sources = {int(i): int(i) for i in run.indices(ANSWER)}
    prompt = run.indices(PROMPT)
    if sources and len(prompt):
        sources[next(iter(sources))] = int(prompt[0])
    return sources


def judge_tam(
    words: Sequence[Word], maps: Greys, grammar: Grammar, categories: Categories, truth: Truth
) -> Tally:
    """Return the sums of one sample, with all side effects of the published evaluation.

    These are: a noun is labelled by any single word of a category's name, and the last such
    category counts, so that dogs are compared with hot dogs; the map is stretched over the whole
    picture even where the model saw only a part; of the tokens of a word the best fitting one is
    used; if the preceding word has the same label, the last two entries are merged, whether or not
    they belong to these words (for the first word the last word is compared, without effect); the
    end token is appended to the last word, which then names nothing; maps are enlarged by OpenCV's
    arithmetic, and one without a prediction has precision NaN, which makes that mean NaN; without a
    mask file all masks are empty; punctuation is neither noun nor function word. With `tam_sources`
    for `maps` there is one more.
    """
    kinds = [grammar.kind(word.text) for word in words]
    labels = [
        tam_label(word.text, categories, grammar.lemma) if kind == NOUN else -1
        for word, kind in zip(words, kinds, strict=True)
    ]
    fits: list[Fit] = []
    thresholds: list[int] = []
    for i, (word, label) in enumerate(zip(words, labels, strict=True)):
        if kinds[i] != NOUN:
            continue
        shape = truth.shape
        shown = [resize(maps[t].cells, shape or maps[t].cells.shape) for t in word.tokens]
        cuts = [otsu(levels) for levels in shown]
        thresholds.append(max(cuts))
        if label < 0:
            continue
        if (mask := truth.of(label)) is not None:
            fits.append(_best([fit(s, s > t, mask) for s, t in zip(shown, cuts, strict=True)]))
        if labels[i - 1] == label and len(fits) >= 2:
            fits[-2:] = [_best(fits[-2:])]
    tally = make_tally(FIGURES)
    for best in fits:
        _count_fit(tally, best)
    if thresholds:
        dark = float(np.mean(thresholds))
        for word, kind in zip(words, kinds, strict=True):
            if kind == FUNCTION:
                add_value(tally, "func_iou", _share_below(word, maps, dark))
    return tally


# As meant ----------------------------------------------------------------------------------------


def unite_names(categories: Categories, truth: Truth, grammar: Grammar) -> tuple[Categories, Truth]:
    """Return categories and masks with one label, the first, for all that share a name.

    "a bus", "the bus" and "buses" share a name: an answer with "bus" may mean any of them.
    """
    first: dict[tuple[str, ...], int] = {}
    label_of = {i: first.setdefault(name_of(n, grammar.lemma), i) for i, n in categories.items()}
    unusable: dict[int, list[str]] = {}
    for i, reasons in truth.unusable.items():
        unusable.setdefault(label_of.get(i, i), []).extend(reasons)
    masks: dict[int, Mask] = {}
    for i, mask in truth.masks.items():
        label = label_of.get(i, i)
        if label not in unusable:
            masks[label] = masks[label] | mask if label in masks else mask
    return {i: categories[i] for i in first.values()}, Truth(truth.shape, masks, unusable)


@dataclass(frozen=True)
class NamedWords:
    """A named thing: the tokens of its name, its words [start, stop), and its label."""

    tokens: tuple[int, ...]
    start: int
    stop: int
    label: int


def find_things(
    words: Sequence[Word], grammar: Grammar, categories: Categories
) -> list[NamedWords]:
    """Return the things that an answer names, in order."""
    found = find_mentions(words, categories, grammar.lemma)
    return [
        NamedWords(_tokens_of(words[m.start : m.stop]), m.start, m.stop, m.label) for m in found
    ]


def _tokens_of(words: Sequence[Word]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(token for word in words for token in word.tokens))


def judge_clean(
    words: Sequence[Word],
    things: Sequence[NamedWords],
    maps: Greys,
    shown: Mapping[tuple[int, ...], Grey],
    grammar: Grammar,
    truth: Truth,
) -> Tally:
    """Return the sums of one sample.

    Departures from `judge_tam`: a thing is named by its whole name, singular or plural, and the
    longest name counts; all words of a name, and nothing else, are judged together, by the token
    that fits best (`obj_iou` and the figures beside it) and by the map that the page shows for
    them (`obj_iou_shown`); a map lies where its tokens saw the picture and predicts nothing
    elsewhere; a cell at the border counts for what it holds of the picture; a prediction of nothing
    has precision 0; punctuation is judged like function words,
    as a figure of its own (`punct_iou`).

    Args:
        things: from `find_things`.
        maps: of every answer token.
        shown: of the tokens of each thing that has several, combined.
    """
    tally = make_tally(FIGURES)
    thresholds = [_judge_thing(tally, thing, maps, shown, truth) for thing in things]
    named = {i for thing in things for i in range(thing.start, thing.stop)}
    kinds = {i: grammar.kind(word.text) for i, word in enumerate(words) if i not in named}
    for i, kind in kinds.items():
        if kind == NOUN:
            cuts = [maps[t].cut(truth.shape or maps[t].cells.shape)[2] for t in words[i].tokens]
            thresholds.append(max(cuts))
    if thresholds:
        dark = float(np.mean(thresholds))
        for i, kind in kinds.items():
            if kind in _DARK:
                add_value(tally, _DARK[kind], _area_below(words[i], maps, dark))
    return tally


_DARK = {FUNCTION: "func_iou", PUNCTUATION: "punct_iou"}


def _judge_thing(
    tally: Tally,
    thing: NamedWords,
    maps: Greys,
    shown: Mapping[tuple[int, ...], Grey],
    truth: Truth,
) -> int:
    """Count a thing that is in the picture; return the largest threshold of its tokens."""
    mask = truth.of(thing.label)
    shape = truth.shape or maps[thing.tokens[0]].cells.shape
    cuts = [maps[token].cut(shape) for token in thing.tokens]
    if mask is not None:
        best = _best([fit(levels, predicted, mask) for levels, predicted, _ in cuts])
        _count_fit(tally, replace(best, precision=float(np.nan_to_num(best.precision))))
        together = best
        if len(thing.tokens) > 1:
            levels, predicted, _ = shown[thing.tokens].cut(shape)
            together = fit(levels, predicted, mask)
        add_value(tally, "obj_iou_shown", together.iou)
    return max(threshold for *_, threshold in cuts)
