"""IGOS++: two masks, optimised so that hiding takes the word away and showing brings it back.

Source: Khorram, Lawson and Fuxin, arXiv 2012.15783, and the code of khorrams/IGOS_pp. A mask m
(28, 28) in [0, 1], enlarged to the picture x, mixes it with its blurred copy b: x m + b (1 - m)
deletes what m leaves out, b m + x (1 - m) inserts it. With f the word's mean probability over the
masks from m / n to m (integrated gradients) and m = m_del m_ins,
IGOS++ minimises from ones

    f_del(m_del) - f_ins(m_ins) + f_del(m) - f_ins(m) + L1 mean(1 - m) + L2 BTV(m)

with BTV the total variation of m, and of m enlarged where the picture is even. A backtracking line
search says how far to step; as in that code gradients of the four scores count half, and readings
get noise of 0.2 standard deviations of the colours. The map is 1 - m.

Masks are put on the values that the vision tower reads, so that gradients reach them whatever a
family does with a picture before: pictures of coordinates, prepared like the run's, tell where in
the picture each of these values comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch.nn.functional import grid_sample, interpolate

from explainer.attribution.reading import AttributionProgress, Computed, Reading, Values
from explainer.errors import MethodError
from explainer.media.fills import FILLS

SIDE, L1, L2, SIGMA = 28, 1.0, 20.0, 0.01
COLOURS = 0.225  # their standard deviation, from 0 to 1
FIRST, DECAY, SLOPE, LEAST = 1000.0, 0.2, 1e-4, 1e-5  # of the line search
SIZE = 224  # of the picture whose edges the mask may follow
BATCH = 5  # readings at once
# The four scores: their sign, whether the word is deleted, and the masks that are multiplied.
SCORES = ((1, True, [0]), (-1, False, [1]), (1, True, [0, 1]), (-1, False, [0, 1]))

_enlarge = partial(interpolate, size=(SIZE, SIZE), mode="bilinear", align_corners=True)


def igos_pp(
    reading: Reading, tokens: Sequence[int], *, iterations: int, steps: int
) -> Iterator[AttributionProgress | Computed]:
    """Yield progress after each iteration, and the map of each token, (N,) in [0, 1].

    `steps` is n above. Raises `MethodError` for videos, for several pictures, and for models that
    pass no gradient to the picture.
    """
    run = reading.run
    if run.video is not None or len(run.images) != 1:
        raise MethodError("IGOS++ explains answers about one picture")
    reading.predicting(tokens)
    for token in tokens:
        search, masks = _Search(reading, token, steps), torch.ones(2, 1, SIDE, SIDE)
        for done in range(iterations):
            with reading.patched():
                masks = search.step(masks)
            yield AttributionProgress(token, done + 1, iterations)
        height, width = run.images[0].shape[:2]
        rects = np.concatenate([view.rects for view, _ in run.scales[0].of_image(0)])
        corners = torch.from_numpy(rects).nan_to_num() / torch.tensor([width, height] * 2)
        inner = (torch.arange(16)[:, None] // torch.tensor([1, 4]) % 4 + 0.5) / 4  # x and y
        places = corners[:, None, :2] + (corners[:, None, 2:] - corners[:, None, :2]) * inner
        seen = _sample(1 - masks.prod(0, keepdim=True), places * 2 - 1)[0].mean(1)
        yield Computed(np.where(np.isfinite(rects).all(axis=1), seen.numpy(), 0).astype(np.float32))


class _Search:
    """The picture and its blurred copy as the vision tower reads them, and steps of both masks."""

    def __init__(self, reading: Reading, token: int, steps: int) -> None:
        self._reading, self._token, self._steps = reading, token, steps
        image = np.asarray(reading.run.images[0])
        down, across = (np.linspace(0, 255, side) for side in image.shape[:2])
        ramps = (across[None, :, None], down[:, None, None])
        pictures = (image, FILLS["blur"](image), *ramps, np.array(0), np.array(255))
        self._picture, self._blurred, x, y, black, white = (
            reading.values(np.broadcast_to(p, image.shape).round().astype(np.uint8))
            for p in pictures
        )
        self._span = {name: white[name] - black[name] for name in black}
        scaled = [{n: (t[n] - black[n]) / s for n, s in self._span.items()} for t in (x, y)]
        self._places = {
            n: torch.stack([t[n] for t in scaled], -1).nan_to_num(0, 0, 0) * 2 - 1 for n in black
        }
        colours = torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255 / COLOURS
        self._even = [torch.exp(-(d**2) / SIGMA).mean(1) for d in _differences(_enlarge(colours))]
        self._noise = torch.Generator().manual_seed(0)

    def step(self, masks: torch.Tensor) -> torch.Tensor:
        """Return the masks (2, 1, 28, 28) after one step down the gradient."""
        leaf = masks.clone().requires_grad_()
        for score in self._scores(leaf):
            if not score.requires_grad:
                raise MethodError(
                    f"this {self._reading.family.label} passes no gradient to the picture, which "
                    "IGOS++ follows, so there is no such map"
                )
            (score / 2).backward()
        self._regularise(leaf).backward()
        with torch.no_grad():
            now, length, moved = self._loss(masks), FIRST, masks
            fall = SLOPE * (leaf.grad**2).sum()
            while length >= LEAST:
                moved = (masks - length * leaf.grad).clamp(0, 1)
                if self._loss(moved) <= now - length * fall:
                    break
                length *= DECAY
            return moved

    def _loss(self, masks: torch.Tensor) -> torch.Tensor:
        return torch.stack([*self._scores(masks), self._regularise(masks)]).sum()

    def _scores(self, masks: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the sum of the four scores in parts, each of a batch with a graph of its own."""
        shares = (torch.arange(1, self._steps + 1) / self._steps).tolist()
        readings = [(*score, share) for score in SCORES for share in shares]
        for first in range(0, len(readings), BATCH):
            batch = readings[first : first + BATCH]
            enlarged = {n: _sample(masks, at) for n, at in self._places.items()}
            mixed = []
            for _, deleted, chosen, share in batch:
                ends = (self._picture, self._blurred)
                joint = {n: both[chosen].prod(0) for n, both in enlarged.items()}
                mixed.append(self._mix(*(ends if deleted else ends[::-1]), joint, share))
            signs = torch.tensor([sign for sign, *_ in batch])
            probs = self._reading.probability(mixed, self._token).cpu()
            yield (signs * probs).sum() / self._steps

    def _mix(self, shown: Values, hidden: Values, masks: Values, share: float) -> Values:
        mixed = {n: torch.lerp(hidden[n], shown[n], share * mask) for n, mask in masks.items()}
        for n, span in self._span.items():
            noise = torch.randn(span.shape, generator=self._noise)
            mixed[n] = mixed[n] + 0.2 * COLOURS * span * noise
        return mixed

    def _regularise(self, masks: torch.Tensor) -> torch.Tensor:
        """Return L1 mean(1 - m) + L2 BTV(m)."""
        mask = masks.prod(0, keepdim=True)
        large = zip(self._even, _differences(_enlarge(mask)), strict=True)
        terms = [*(d**2 for d in _differences(mask)), *(even * d**2 for even, d in large)]
        return L1 * (1 - mask).mean() + L2 * torch.stack([t.mean() for t in terms]).sum() / 2


def _differences(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return values (..., H, W) less those below, and less those to the right."""
    return values[..., :-1, :] - values[..., 1:, :], values[..., :-1] - values[..., 1:]


def _sample(masks: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return (M, ...): masks (M, 1, 28, 28) at places (..., 2) of x and y, from -1 to 1."""
    flat = places.reshape(1, 1, -1, 2).expand(len(masks), -1, -1, -1)
    found = grid_sample(masks, flat, padding_mode="border", align_corners=True)
    return found.reshape(len(masks), *places.shape[:-1])
