"""The steps of a recording: what a request asks of a model, one after another."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from explainer.attribution.reading import Reading
from explainer.errors import ModelError, RunError
from explainer.media.fills import filled
from explainer.models.base import Inputs, Media
from explainer.models.decoding import Picker
from explainer.models.engine import Answering, Engine, memory_in_words
from explainer.models.text.tokens import TextStream
from explainer.recording.packing import (
    GeneratedAnswer,
    ids_of_bases,
    pack_run,
    pack_scales,
    with_ids,
)
from explainer.recording.request import (
    Request,
    check_layer_bytes,
    check_length,
    check_scale_length,
)
from explainer.run import ANSWER, Evidence, Run, Scale


@dataclass(frozen=True)
class Step:
    """One step of a recording that was done.

    Attributes:
        kind: "layers" (further layers will be recorded), "read" (picture and prompt were read),
            "token" (an answer token was generated), "scale" (the picture was read again at another
            scale), "evidence" (the answer was read again without the picture), "map" (a map of a
            comparison method was computed) or "reading" (of the many that such a map takes).
        text: for "token", the text that became whole, possibly ""; for "scale", the factor; for
            "layers", about what memory they take; for "evidence", what the picture was replaced
            by; for "map" and "reading", the text of the map's token.
        done: how many steps of this kind are done.
        total: how many there can be; an answer may end earlier.
    """

    kind: str
    text: str
    done: int
    total: int


class Recorder:
    """Runs a model for recordings; several of them may take turns, step by step."""

    def __init__(self, engine: Engine) -> None:
        self.family = engine.family
        self._engine = engine

    def start(self, request: Request) -> Generator[Step | Run, None, None]:
        """Return a generator of the steps of a recording, with the `Run` as the last item.

        What there is no room for is said here already, before anything is run.
        """
        inputs = self.family.compose(request.asked.media, request.prompt)
        check_length(self.family, inputs, request.longest)
        size = check_layer_bytes(self.family, inputs, request)
        return self._steps(request, inputs, size)

    def _steps(
        self, request: Request, inputs: Inputs, layer_bytes: int
    ) -> Generator[Step | Run, None, None]:
        clock, answer, layers = _Clock(), GeneratedAnswer(), request.layers
        if layers:
            about = f"about {max(layer_bytes / 1e6, 0.1):,.1f} MB"
            yield Step("layers", about, len(layers), self.family.depth)
        with memory_in_words("use a smaller picture, a shorter prompt or fewer new tokens"):
            if request.given is not None:
                states, answer = self._read_given(inputs, request.given, layers)
                clock.lap("read")
                yield Step("read", "", 1, 1)
            else:
                states, answering = self._engine.read(inputs, layers)
                clock.lap("read")
                yield Step("read", "", 1, 1)
                pick = Picker(request.decoding, self.family.device, inputs.ids)
                yield from self._generate(request, answering, pick, answer)
                clock.lap("answer")
                del answering  # frees the cache
            run = pack_run(self._engine, request, inputs, states, answer)
            clock.lap("pack")
        del states, answer  # before the other scales are read
        for done, alpha in enumerate(request.scales, 1):
            run = self.add_scale(run, alpha)
            clock.lap("scales")
            yield Step("scale", f"{alpha:g}", done, len(request.scales))
        if request.fills:
            run = self._with_evidence(run, request.fills)
            clock.lap("evidence")
            yield Step("evidence", ", ".join(request.fills), 1, 1)
        yield replace(run, settings={**run.settings, "seconds": clock.seconds})

    def _with_evidence(self, run: Run, fills: Sequence[str]) -> Run:
        """Return the run with evidence, or saying why there is none: the rest is worth having."""
        try:
            return self.add_evidence(run, fills)
        except (RunError, ModelError) as error:
            return replace(run, settings={**run.settings, "no_evidence": str(error)})

    def _generate(
        self, request: Request, answering: Answering, pick: Picker, answer: GeneratedAnswer
    ) -> Generator[Step, None, None]:
        """Generate token after token into `answer`."""
        text = TextStream(self.family.codec)
        stop, most = self.family.stop_ids, request.decoding.max_new_tokens
        for done in range(1, most + 1):
            token = self._engine.choose(answering, pick)
            if token in stop:
                answer.finish, answer.end = "eos", token
                break
            answer.ids.append(token)
            answer.states.append(self._engine.feed(answering, token))
            yield Step("token", text.feed(token), done, most)
        if rest := text.finish():
            yield Step("token", rest, len(answer.ids), most)

    def _read_given(
        self, inputs: Inputs, ids: Sequence[int], layers: Sequence[int]
    ) -> tuple[torch.Tensor, GeneratedAnswer]:
        """Return the states (D, L, d) of the sequence, and the answer that was given."""
        whole = replace(inputs, ids=(*inputs.ids, *ids))
        states = self._engine.reread([whole], range(len(whole.ids)), layers)[:, 0]
        asked, said = states[:, : len(inputs.ids)], states[:, len(inputs.ids) :]
        return asked, GeneratedAnswer(list(ids), list(said.unbind(1)), "given")

    # What is added to a run ----------------------------------------------------------------------

    def add_scale(self, run: Run, alpha: float) -> Run:
        """Return the run with one more scale, in all layers that it holds."""
        *lower, scale = self._read_scale(run, alpha)
        grown = run.with_scale(scale, lower)
        asked = sorted({*run.settings.get("scales", ()), alpha})
        return replace(
            with_ids(self._engine, grown, ids_of_bases((*lower, scale))),
            scales=_sorted(grown.scales),
            layers=tuple(replace(y, scales=_sorted(y.scales)) for y in grown.layers),
            settings={**run.settings, "scales": asked},
        )

    def _read_scale(self, run: Run, alpha: float) -> tuple[Scale, ...]:
        """Return one more scale, as the layers and then the run itself have it.

        Tries again with freed memory if the first try finds none.
        """
        inputs = self.family.compose_prefix(run.media, alpha)
        layers = run.layer_numbers[:-1]
        check_scale_length(self.family, inputs, alpha)
        advice = f"leave out scale {alpha:g} or use a smaller picture"
        try:
            with memory_in_words(advice):
                return self._scales_of(inputs, alpha, layers)
        except ModelError:
            self._engine.free()
        with memory_in_words(advice):
            return self._scales_of(inputs, alpha, layers)

    def _scales_of(self, inputs: Inputs, alpha: float, layers: Sequence[int]) -> tuple[Scale, ...]:
        states = self._engine.visual_states(inputs, layers)
        return pack_scales(self._engine, alpha, inputs, states)

    def add_evidence(self, run: Run, fills: Sequence[str]) -> Run:
        """Return the run with the probabilities of its answer after other pictures."""
        probs = self.probabilities(run, [filled(run.media, fill) for fill in fills])
        return replace(run, evidence=Evidence(tuple(fills), probs))

    def probabilities(self, run: Run, variants: Sequence[Media]) -> npt.NDArray[np.float32]:
        """Return (B, R) float32, see `Explainer.token_probabilities`."""
        answer = [int(token) for token in run.indices(ANSWER)]
        if not variants or not answer:
            return np.zeros((len(variants), len(answer)), np.float32)
        return Reading(self._engine, run).probabilities(variants, answer)


def _sorted(scales: Sequence[Scale]) -> tuple[Scale, ...]:
    """Return the scales with alpha = 1 first and the others ascending."""
    return tuple(sorted(scales, key=lambda s: (s.alpha != 1.0, s.alpha)))


class _Clock:
    """Seconds spent in each phase of a recording, waiting consumers included."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = round(self.seconds.get(phase, 0.0) + now - self._last, 4)
        self._last = now
