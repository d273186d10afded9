"""What programs can ask of the section: /curves."""

from __future__ import annotations

from typing import Any, TypedDict

from explainer.errors import SightlineError
from explainer.probing.curves import PLAN, Curves
from explainer.probing.map_test import MapTest, make_map_test
from explainer.ui.api_common import (
    METHODS_SHOWN,
    NO_KNOBS,
    RunReader,
    choose_listed,
    read_list,
    subject_value,
)
from explainer.ui.handlers import Handlers
from explainer.ui.sections.map_test.handler import CurveReader, read_answer_word, read_plan


class OrderCurves(TypedDict):
    """The curves of a word in one order of places: its probability as they are shown, or taken.

    `insertion` and `deletion` are the areas under both, 0 to 1; `confidence` is the highest point
    of the first, `reliance` its area above its lowest point.
    """

    shown: list[float]
    taken: list[float]
    insertion: float
    deletion: float
    confidence: float
    reliance: float


class MapCurves(OrderCurves):
    """The curves for the order of a map, and what they mean, "" if the word needs no place."""

    method: str
    verdict: str


class CurveTest(TypedDict):
    """The curves of a word for maps and for random orders, at each `share` of the picture.

    `whole` and `empty` are its probabilities with all of the picture and with none of it; `verdict`
    says what they mean.
    """

    whole: float
    empty: float
    verdict: str
    share: list[float]
    maps: list[MapCurves]
    random: list[OrderCurves]


class CurvesEndpoint:
    """The endpoint /curves."""

    def __init__(self, handlers: Handlers) -> None:
        self._reader, self._curve_reader = RunReader(handlers), CurveReader(handlers)

    def curves(
        self,
        run: str,
        subject: int | dict[str, Any],
        methods: list[str] = METHODS_SHOWN,
        knobs: dict[str, dict[str, Any]] = NO_KNOBS,
        fill: str = PLAN.fill,
        steps: int = PLAN.steps,
    ) -> CurveTest:
        """Test by insertion and deletion whether a word follows its maps.

        Returns how probable the word is while the picture appears, and while it goes, strongest
        places of a map first, and in random orders. The model reads 2 * steps pictures for each
        method, and for each of four random orders, which the words of a run share.

        Args:
            run: as /record returned it
            subject: as for /explain, of words that were said
            methods: which maps
            knobs: of each method, by its name; "preset" may be one of them
            fill: what covers hidden parts: mean (the mean colour), black or blur
            steps: into how many parts of equal area the picture is cut, 1 to 64
        """
        plan, chosen = (
            read_plan(fill, steps),
            [choose_listed(name, knobs) for name in read_list(methods)],
        )
        if not chosen:
            raise SightlineError("there is no method to measure; name one at least")
        tokens = read_answer_word(self._reader.run(run), subject_value(subject)).tokens
        found = {one.method.name: self._reader.explained(run, subject, one)[1] for one in chosen}
        *_, made = self._curve_reader.steps(run, self._reader.run(run), [*found.values()], plan)
        proof = make_map_test(tokens, dict(zip(found, made.maps, strict=True)), made.random)
        return _proof(proof)


def _proof(proof: MapTest) -> CurveTest:
    word, chance = proof.verdict_of_word(), proof.chance
    return {
        "whole": chance.whole,
        "empty": chance.empty,
        "verdict": word,
        "share": chance.share.tolist(),
        "maps": [
            {
                "method": name,
                **_curves(curves),
                "verdict": proof.verdict_of_map(name) if word == "rests" else "",
            }
            for name, curves in proof.curves.items()
        ],
        "random": [_curves(curves) for curves in proof.random],
    }


def _curves(curves: Curves) -> OrderCurves:
    figures = curves.figures()
    return {
        "shown": curves.insertion.tolist(),
        "taken": curves.deletion.tolist(),
        "insertion": figures["insertion"],
        "deletion": figures["deletion"],
        "confidence": figures["confidence"],
        "reliance": curves.reliance,
    }
