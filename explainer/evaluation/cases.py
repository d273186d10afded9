"""Draw the samples in which two methods differ most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explainer.evaluation import why
from explainer.evaluation.candidates import ConfiguredMethod
from explainer.evaluation.datasets import Dataset
from explainer.evaluation.iou import Grey, Mask, find_things, unite_names
from explainer.evaluation.measure import MeasurePlan
from explainer.evaluation.why import Site
from explainer.evaluation.words import clean_words
from explainer.export import colour_table, overlay
from explainer.methods import combine_maps
from explainer.methods.base import Heatmap
from explainer.run import Run

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

MOST = 4
Drawn = tuple[Run, Site, list[tuple[Heatmap, float, Mask]]]


def select_cases(
    samples: Sequence[Mapping[str, Any]], one: str, other: str, most: int = MOST
) -> list[str]:
    """Return the keys of up to `most` samples with the largest differences in Obj-IoU.

    First those where `one` loses most against `other`, then those where it gains most.
    """
    gains = {
        s["key"]: _mean(s["methods"][one]) - _mean(s["methods"][other])
        for s in samples
        if not s["dropped"]
        and all(s["methods"].get(name, {}).get("obj_iou", (0, 0))[1] for name in (one, other))
    }
    order = sorted(gains, key=lambda key: gains[key])
    return list(dict.fromkeys([*order[: -(-most // 2)], *reversed(order[-(most // 2) :])]))


def _mean(tally: Mapping[str, Sequence[float]]) -> float:
    total, count = tally["obj_iou"]
    return total / count


@dataclass(frozen=True)
class Cases:
    """The samples to draw cases from.

    Attributes:
        shown: the methods by label; the first two are compared.
    """

    explainer: Explainer
    dataset: Dataset
    plan: MeasurePlan
    shown: Mapping[str, ConfiguredMethod]

    def write(self, file: Path, numbers: Sequence[int]) -> None:
        """Draw a row for each sample: the picture, and the map of each method.

        The maps are those of the thing on which the first two methods differ most, with the outline
        of the predicted region.
        """
        from matplotlib.figure import Figure

        cases = [case for number in numbers if (case := self.find_case(number))]
        rows, columns = max(1, len(cases)), 1 + len(self.shown)
        figure = Figure(figsize=(3 * columns, 3 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()
        for row, (run, site, maps) in zip(axes, cases, strict=False):
            said = "".join(run.tokens.texts[t] for t in site.thing.tokens).strip()
            _show(row[0], run.image, site.mask, f'"{said}": where it is')
            for axis, name, (heat, iou, predicted) in zip(row[1:], self.shown, maps, strict=True):
                pixels = overlay(run.image, heat, colour_table("inferno"), 0.55, cover="all")
                _show(axis, pixels, predicted, f"{name}: IoU {iou:.2f}")
        figure.savefig(file, dpi=80)

    def find_case(self, number: int) -> Drawn | None:
        """Return the run, the thing on which the first two methods differ most, and their results.

        The results are, for each method, its map, its IoU and its prediction. None if the answer
        names no thing in the picture.
        """
        sample, plan = self.dataset.sample(number), self.plan
        run = self.explainer.record(
            sample.image, sample.prompt, scales=plan.alphas, max_new_tokens=plan.max_new_tokens
        )
        categories, truth = unite_names(sample.categories, sample.truth(), plan.grammar)
        things = find_things(clean_words(run), plan.grammar, categories)
        found = [
            (site, [self._map(run, site, candidate) for candidate in self.shown.values()])
            for site in why.find_sites(run, things, truth)
        ]
        if not found:
            return None
        site, maps = max(found, key=lambda pair: abs(pair[1][0][1] - pair[1][1][1]))
        return run, site, maps

    def _map(
        self, run: Run, site: Site, candidate: ConfiguredMethod
    ) -> tuple[Heatmap, float, Mask]:
        heats = candidate.maps(self.explainer, run, site.thing.tokens)
        greys = dict(zip(site.thing.tokens, [Grey.of(heat, run) for heat in heats], strict=True))
        best, predicted = why.best_cut(site, greys)
        return combine_maps(heats), best.iou, predicted


def _show(axis: Any, pixels: np.ndarray, outlined: Mask, title: str) -> None:
    height, width = pixels.shape[:2]
    axis.imshow(pixels)
    if outlined.any() and not outlined.all():
        axis.contour(
            np.linspace(0, width - 1, outlined.shape[1]),
            np.linspace(0, height - 1, outlined.shape[0]),
            outlined,
            levels=[0.5],
            colors="white",
            linewidths=1,
        )
    axis.set_title(title, fontsize=9)
