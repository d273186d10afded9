"""The table of a search: how well maps agree with the order of the parts that it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from explainer.errors import SightlineError
from explainer.methods import Heatmap
from explainer.methods.subjects import Word, explain_subject
from explainer.probing.agreement import agree, agree_by_chance, part_means
from explainer.probing.region_plan import RegionAttribution
from explainer.run import Run
from explainer.ui.sections.eagle import words
from explainer.web import texts
from explainer.web.controls import OFFERED, MethodSettings
from explainer.web.lacking import missing_maps
from explainer.web.messages import AgreementTable


def agreement_table(
    run: Run, word: Word, found: RegionAttribution, settings: MethodSettings
) -> AgreementTable:
    """Return a row of texts for each method that has a map of the word, and one for random orders.

    `rest` says what the columns mean, and why methods have no map.
    """
    heats = {name: _heat(run, word, name, settings) for name in settings.knobs}
    rows = [
        [OFFERED[name].label, *_cells(agree(found, part_means(found.tiling, heat)))]
        for name, heat in heats.items()
        if isinstance(heat, Heatmap)
    ]
    chance = agree_by_chance(found)
    drawn = [words.CHANCE, *_numbers(chance), texts.percent(chance["first"])]
    rest = [words.AGREE_REST, *filter(None, _failures(heats))]
    return AgreementTable(
        columns=list(words.AGREE_COLUMNS), rows=[*rows, drawn], rest=" ".join(rest)
    )


def _heat(run: Run, word: Word, name: str, settings: MethodSettings) -> Heatmap | str:
    """Return the map of a method, or why there is none: "" if the model has yet to make it."""
    knobs = settings.knobs[name]
    if missing_maps(run, [word], MethodSettings((), {name: knobs})):
        return ""
    try:
        return explain_subject(OFFERED[name], run, word, **knobs)
    except SightlineError as error:
        return texts.in_words(error)


def _failures(heats: Mapping[str, Heatmap | str]) -> Iterator[str]:
    """Yield each reason once."""
    yield from dict.fromkeys(heat for heat in heats.values() if isinstance(heat, str))


def _cells(figures: Mapping[str, float]) -> list[str]:
    return [*_numbers(figures), words.SAME if figures["first"] else words.OTHER]


def _numbers(figures: Mapping[str, float]) -> list[str]:
    return [f"{figures[name]:.2f}" for name in ("rank", "iou")]
