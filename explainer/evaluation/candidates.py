"""Parse the methods of an evaluation, with their knobs, as typed on the command line.

    msea_arc                        a method at its defaults
    msea_arc:paper                  a preset
    msea_arc:paper+k=20+scales=0.5/1  knobs on top of it; scale factors are separated by /

Besides the methods of the page there are those of `COMPARISON`, `OPT_IN` and `LONG`, which need the
model, the controls, and `adaptive`, MSEA + ARC with weights of scales by their agreement on a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explainer.errors import KnobError, MethodError
from explainer.methods import COMPARISON, LONG, METHODS, OPT_IN, find_method
from explainer.methods.base import Heatmap, Method
from explainer.methods.comparison import Comparison
from explainer.methods.controls import CONTROLS
from explainer.methods.msea_arc import ADAPTIVE
from explainer.methods.subjects import Span, explain_subject
from explainer.run import Run

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer


@dataclass(frozen=True)
class ConfiguredMethod:
    """A method with the values of all its knobs.

    Attributes:
        name: as typed, and as shown in tables.
        settings: the values of all knobs.
    """

    name: str
    method: Method
    settings: Mapping[str, Any]

    @property
    def alphas(self) -> set[float]:
        """Return the scale factors that a run must hold for it."""
        alpha = self.settings.get("alpha")
        return {*self.settings.get("scales", ()), *([] if alpha is None else [alpha])}

    def maps(self, explainer: Explainer, run: Run, tokens: Sequence[int]) -> list[Heatmap]:
        """Return one heatmap for each token, computed with the model where the method needs it.

        Raises `MethodError` where the method does not apply to the model.
        """
        run = self._attributed(explainer, run, tokens)
        return self.method.explain_many(run, tokens, **self.settings)

    def map_of(self, explainer: Explainer, run: Run, word: Span) -> Heatmap:
        """Return the one heatmap of a word of several tokens, see `maps`."""
        run = self._attributed(explainer, run, word.tokens)
        return explain_subject(self.method, run, word, **self.settings)

    def _attributed(self, explainer: Explainer, run: Run, tokens: Sequence[int]) -> Run:
        if not isinstance(self.method, Comparison):
            return run
        return explainer.attribute(run, tokens, self.method.name, **self.settings)


def parse(names: Sequence[str], **shared: Any) -> list[ConfiguredMethod]:
    """Parse names of candidates; the result is in order, without duplicates.

    `shared` are values of knobs for all methods that have them and do not set them.
    """
    return [_candidate(name, shared) for name in dict.fromkeys(names)]


def _candidate(typed: str, shared: Mapping[str, Any]) -> ConfiguredMethod:
    head, *knobs = typed.split("+")
    name, _, preset = head.partition(":")
    method = _find(name)
    declared = {knob.name: knob for knob in method.knobs}
    values = {n: v for n, v in shared.items() if n in declared}
    for text in knobs:
        knob, is_set, value = text.partition("=")
        if not is_set or knob not in declared:
            known = ", ".join(declared) or "none"
            raise KnobError(
                f"{typed}: {text!r} sets no knob of {name}; write knob=value, of {known}"
            )
        values[knob] = declared[knob].parse(value)
    return ConfiguredMethod(typed, method, method.settings(preset=preset or None, **values))


def _find(name: str) -> Method:
    measured = {**CONTROLS, ADAPTIVE.name: ADAPTIVE}
    known = [*METHODS, *COMPARISON, *OPT_IN, *LONG, *measured]
    if name not in known:
        raise MethodError(f"there is no method {name!r}; choose of {', '.join(known)}")
    return measured[name] if name in measured else find_method(name)
