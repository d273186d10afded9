"""Measure insertion and deletion curves: does the model lose its word without the map's regions?

Source: the metrics of EAGLE (code of RuoyuChen10/EAGLE). The pixels of the picture are ranked by
the map and shown, or taken away, in steps of equal area; each time the answer so far is read again
with the changed picture, and the probability of the word is noted.

    insertion   area under the probability over the share of the picture shown, best pixels first;
                high if a small part suffices
    deletion    the same over the share taken away; low if the word needs that part
    confidence  the highest probability while pixels are shown
    reliance    the area of insertion above the curve's lowest point, EAGLE's modality reliance of a
                word; near 0 if the picture makes no difference
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.errors import Cancelled, RunError, SightlineError
from explainer.media.fills import FILLS, covered
from explainer.methods.base import Heatmap, MapPart
from explainer.probing.reader import AnswerReader
from explainer.run import ANSWER, Run

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CurvePlan:
    """How curves are measured.

    Attributes:
        fill: what pixels are replaced by, a name in `FILLS`.
        steps: in how many steps of equal area, at least 1.
        batch: how many pictures are read at once, at least 1.
    """

    fill: str = "mean"
    steps: int = 10
    batch: int = 4

    def __post_init__(self) -> None:
        if self.fill not in (*FILLS,):
            raise SightlineError(f"a fill is one of {', '.join(FILLS)}, got {self.fill!r}")
        if self.steps < 1 or self.batch < 1:
            raise SightlineError("steps and batch must be at least 1")

    @property
    def readings(self) -> int:
        """Return how many pictures are read for one map."""
        return 2 * self.steps


PLAN = CurvePlan()


@dataclass(frozen=True, eq=False)
class Curves:
    """The probability of a word while the picture appears and while it goes.

    Attributes:
        share: (steps + 1,) from 0 to 1, the part of the pixels shown or taken away.
        insertion: (steps + 1,), from the empty picture to the whole one.
        deletion: (steps + 1,), from the whole picture to the empty one.
    """

    share: npt.NDArray[np.float64]
    insertion: npt.NDArray[np.float64]
    deletion: npt.NDArray[np.float64]

    def figures(self) -> dict[str, float]:
        """Return the two areas, by the trapezoid rule, and the highest confidence."""
        return {
            "insertion": float(np.trapezoid(self.insertion, self.share)),
            "deletion": float(np.trapezoid(self.deletion, self.share)),
            "confidence": float(self.insertion.max()),
        }

    @property
    def whole(self) -> float:
        """Return the probability with the whole picture."""
        return float(self.insertion[-1])

    @property
    def empty(self) -> float:
        """Return the probability with nothing of the picture."""
        return float(self.insertion[0])

    @property
    def reliance(self) -> float:
        """Return the area of insertion above its lowest point, 0 to 1."""
        return self.figures()["insertion"] - float(self.insertion.min())

    def reaches(self, part: float) -> float:
        """Return the least share shown at which the word reaches a part of `whole`.

        It is one of `share`, so that it was measured there.
        """
        return float(self.share[np.argmax(self.insertion >= part * self.whole)])


@dataclass(frozen=True, eq=False)
class Readings:
    """How probable each of the R answer tokens is while the pixels of one map come and go.

    One reading of a picture gives all tokens, so words that share a map share these.

    Attributes:
        first: the answer's first token, as an index into `Run.tokens`.
        share: (steps + 1,) from 0 to 1.
        shown, taken: (steps + 1, R), after that share was shown, or taken away.
    """

    first: int
    share: npt.NDArray[np.float64]
    shown: npt.NDArray[np.float32]
    taken: npt.NDArray[np.float32]

    def of(self, tokens: Sequence[int]) -> Curves:
        """Return the curves of the mean probability of several answer tokens, as EAGLE has it."""
        return Curves(self.share, *(p.mean(axis=1) for p in self._at(tokens)))

    def of_word(self, tokens: Sequence[int]) -> Curves:
        """Return the curves of a word of several answer tokens, which counts as a whole.

        Its probability is the product of theirs, as in `reliance` and `hiding`.
        """
        return Curves(self.share, *(p.prod(axis=1) for p in self._at(tokens)))

    def _at(self, tokens: Sequence[int]) -> Iterator[npt.NDArray[np.float64]]:
        at = [token - self.first for token in tokens]
        return (p[:, at].astype(np.float64) for p in (self.shown, self.taken))


def read(
    reader: AnswerReader,
    run: Run,
    heatmap: Heatmap,
    plan: CurvePlan = PLAN,
    cancel: Callable[[], bool] | None = None,
) -> Readings:
    """Return what the model makes of the picture while the pixels of a map come and go.

    `cancel` is asked before each batch; True raises `Cancelled`. Several pictures are ranked
    together. Raises `RunError` for a run about a video, or made with another model.
    """
    steps = reading(reader, run, heatmap, plan)
    while not (cancel and cancel()):
        item = next(steps)
        if isinstance(item, Readings):
            return item
    raise Cancelled("the curves were stopped")


def reading(
    reader: AnswerReader, run: Run, heatmap: Heatmap, plan: CurvePlan
) -> Iterator[int | Readings]:
    """Yield how many pictures have been read after each batch, and `Readings` as the last item.

    See `read`.
    """
    if run.video is not None:
        raise RunError("insertion and deletion need a picture; this run is about a video")
    order = _ranking(heatmap, run)
    empty = [FILLS[plan.fill](image) for image in run.images]
    cuts = np.linspace(0, len(order), plan.steps + 1).round().astype(int)
    kinds = [(False, cut) for cut in cuts] + [(True, cut) for cut in cuts[1:-1]]
    probs: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(kinds), plan.batch):
        pictures = [
            _mixed(run.images, empty, order[:cut], removed)
            for removed, cut in kinds[start : start + plan.batch]
        ]
        probs.extend(reader.token_probabilities(run, pictures))
        yield len(probs)
    shown = np.stack(probs[: len(cuts)])
    taken = np.stack([shown[-1], *probs[len(cuts) :], shown[0]])
    yield Readings(int(run.indices(ANSWER)[0]), cuts / len(order), shown, taken)


def _ranking(heatmap: Heatmap, run: Run) -> npt.NDArray[np.intp]:
    """Return the pixels of all pictures, the highest of the map first.

    Among equals the order is drawn once for good, so that a flat part favours no corner.
    """
    values = []
    for part, image in zip(heatmap.parts, run.images, strict=True):
        values.append(_at_pixels(part, image.shape[:2]).ravel())
    flat = np.concatenate(values)
    drawn = np.empty(len(flat), np.intp)
    drawn[np.random.default_rng(0).permutation(len(flat))] = np.arange(len(flat))
    return drawn[np.argsort(-flat[drawn], kind="stable")]  # as lexsort gives, in half the time


def _at_pixels(part: MapPart, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return (H, W): the map at pixel size, lowest where the model did not see the picture."""
    x0, y0, x1, y1 = part.placement.pixels(shape)
    out = np.full(shape, -np.inf, np.float32)
    inner = Image.fromarray(np.ascontiguousarray(part.values, np.float32))
    box = part.placement.within((x0, y0, x1, y1), part.values.shape)
    size = (x1 - x0, y1 - y0)
    out[y0:y1, x0:x1] = np.asarray(inner.resize(size, Image.Resampling.BILINEAR, box))
    return out


def _mixed(
    images: Sequence[Picture],
    empty: Sequence[Picture],
    chosen: npt.NDArray[np.intp],
    removed: bool,
) -> list[Picture]:
    """Return the pictures with only the chosen pixels shown, or with only these taken away."""
    gone = np.full(sum(image.shape[0] * image.shape[1] for image in images), not removed)
    gone[chosen] = removed
    mixed = []
    for image, blank in zip(images, empty, strict=True):
        here, gone = np.split(gone, [image.shape[0] * image.shape[1]])
        mixed.append(covered(image, here.reshape(image.shape[:2]), blank))
    return mixed
