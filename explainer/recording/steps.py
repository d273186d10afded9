"""`Recorder`: run a recording step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from explainer.attribution.reading import Reading
from explainer.attribution.sources import read_without_sources
from explainer.errors import Cancelled, ModelError, RunError
from explainer.media.fills import filled
from explainer.models.decoding import Decoding
from explainer.models.engine import Engine, Generation, describe_memory_errors
from explainer.models.inputs import Inputs, Media
from explainer.models.picking import Picker
from explainer.models.text.tokens import TextStream
from explainer.recording.packing import (
    GeneratedAnswer,
    add_unembedding_rows,
    collect_base_ids,
    pack_run,
    pack_scales,
)
from explainer.recording.request import (
    Request,
    VisualInput,
    check_layer_bytes,
    check_length,
    check_request,
    check_scale_length,
)
from explainer.recording.sizes import check_answer_bytes
from explainer.recording.step import Step
from explainer.run import ANSWER, Evidence, Run, Scale
from explainer.run.schema import LONG_ANSWER
from explainer.run.thought import asks_for_thought


class Recorder:
    """Run recordings on a model; several recordings may take turns, step by step."""

    def __init__(self, engine: Engine) -> None:
        self.family = engine.family
        self._engine = engine

    def start(self, request: Request) -> Generator[Step | Run, None, None]:
        """Start a recording: return a generator of its steps, with the `Run` as the last item.

        Limits of length and memory are checked here, before the model is run.
        """
        inputs = self.family.compose(
            request.visual.media, request.prompt, request.thinking, request.conversation
        )
        check_length(self.family, inputs, request)
        sizes = tuple(
            check(self.family, inputs, request) for check in (check_answer_bytes, check_layer_bytes)
        )
        return self._steps(request, inputs, sizes)

    def _steps(
        self, request: Request, inputs: Inputs, sizes: Sequence[int]
    ) -> Generator[Step | Run, None, None]:
        clock, answer, layers = _Clock(), GeneratedAnswer(), request.layers
        of_answer, of_layers = (f"about {max(size / 1e6, 0.1):,.1f} MB" for size in sizes)
        if request.longest > LONG_ANSWER:
            yield Step("long", of_answer, 0, request.longest)
        if layers:
            yield Step("layers", of_layers, len(layers), self.family.depth)
        with describe_memory_errors("use a smaller picture, a shorter prompt or fewer new tokens"):
            if request.answer_ids is not None:
                states, answer = self._read_answer(inputs, request.answer_ids, layers)
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
            run = self._try("evidence", partial(self.add_evidence, fills=request.fills), run)
            clock.lap("evidence")
            yield Step("evidence", ", ".join(request.fills), 1, 1)
        if request.sources:
            run = self._try("sources", self.add_sources, run)
            clock.lap("sources")
            yield Step("sources", "", 1, 1)
        yield replace(run, settings={**run.settings, "seconds": clock.seconds})

    def _try(self, name: str, add: Callable[[Run], Run], run: Run) -> Run:
        """Add something to the run or, where that fails, the reason to its settings."""
        try:
            return add(run)
        except (RunError, ModelError) as error:
            return replace(run, settings={**run.settings, f"no_{name}": str(error)})

    def _generate(
        self, request: Request, answering: Generation, pick: Picker, answer: GeneratedAnswer
    ) -> Generator[Step, None, None]:
        """Generate the answer token by token, appending to `answer`."""
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

    def _read_answer(
        self, inputs: Inputs, ids: Sequence[int], layers: Sequence[int]
    ) -> tuple[torch.Tensor, GeneratedAnswer]:
        """Teacher-force an answer: return the states (D, L, d) of the input, and the answer."""
        whole = replace(inputs, ids=(*inputs.ids, *ids))
        states = self._engine.reread([whole], range(len(whole.ids)), layers)[:, 0]
        before, after = states[:, : len(inputs.ids)], states[:, len(inputs.ids) :]
        return before, GeneratedAnswer(list(ids), list(after.unbind(1)), "given")

    # Additions to a run --------------------------------------------------------------------------

    def add_scale(self, run: Run, alpha: float) -> Run:
        """Add a scale to the run, in all layers that it holds."""
        *lower, scale = self._read_scale(run, alpha)
        grown = run.with_scale(scale, lower)
        alphas = sorted({*run.settings.get("scales", ()), alpha})
        return replace(
            add_unembedding_rows(self._engine, grown, collect_base_ids((*lower, scale))),
            scales=_sort_scales(grown.scales),
            layers=tuple(replace(y, scales=_sort_scales(y.scales)) for y in grown.layers),
            settings={**run.settings, "scales": alphas},
        )

    def _read_scale(self, run: Run, alpha: float) -> tuple[Scale, ...]:
        """Read the pictures at a scale: return it for each further layer, then for the last.

        If memory runs out, frees what can be freed and tries once more.
        """
        system, thinking = run.conversation.system, asks_for_thought(run)
        inputs = self.family.compose_prefix(run.media, alpha, system, thinking)
        layers = run.layer_numbers[:-1]
        check_scale_length(self.family, inputs, alpha)
        advice = f"leave out scale {alpha:g} or use a smaller picture"
        try:
            with describe_memory_errors(advice):
                return self._pack_scales_of(inputs, alpha, layers)
        except ModelError:
            self._engine.free()
        with describe_memory_errors(advice):
            return self._pack_scales_of(inputs, alpha, layers)

    def _pack_scales_of(
        self, inputs: Inputs, alpha: float, layers: Sequence[int]
    ) -> tuple[Scale, ...]:
        states = self._engine.visual_states(inputs, layers)
        return pack_scales(self._engine, alpha, inputs, states)

    def replace_answer(self, run: Run, answer_ids: tuple[int, ...]) -> Run:
        """Record an answer with these ids to the pictures and the prompt of a run.

        All scales are kept if `keeps_scales`, in all layers, with the rows that they need; evidence
        and sources are measured again if the run has them.
        """
        notes = tuple(run.settings.get("image_notes", ()))
        visual = VisualInput(run.images, run.labels, run.video, notes)
        keeps = self.keeps_scales(run, thinking=False)
        scales = () if keeps else run.alphas
        request = replace(
            check_request(self.family, visual, run.prompt, scales, Decoding(1, 0.0, 0)),
            answer_ids=answer_ids,
            layers=run.layer_numbers[:-1],
            fills=() if run.evidence is None else run.evidence.fills,
            sources=run.sources is not None,
            conversation=run.conversation,
        )
        forced = take_steps(self.start(request))
        return self.take_scales(forced, run) if keeps else forced

    def keeps_scales(self, run: Run, thinking: bool) -> bool:
        """Return whether another answer to the same pictures has the visual states of a run.

        They change with a thought that is asked for before the pictures, or no longer.
        """
        return thinking == asks_for_thought(run) or not self.family.thinks_before_picture

    def taking_scales(
        self, steps: Generator[Step | Run, None, None], held: Run
    ) -> Generator[Step | Run, None, None]:
        """Yield the steps of a recording, and its run with the scales of another."""
        return (self.take_scales(s, held) if isinstance(s, Run) else s for s in steps)

    def take_scales(self, run: Run, held: Run) -> Run:
        """Return a run with the scales of another about the same pictures.

        They come in all layers, with the rows that they need.
        """
        known = [*held.scales, *(scale for layer in held.layers for scale in layer.scales)]
        settings = {
            "scales": held.settings.get("scales", [1.0]),
            "image_notes": held.settings.get("image_notes", []),
        }
        return replace(
            add_unembedding_rows(self._engine, run, collect_base_ids(known)),
            scales=held.scales,
            layers=tuple(
                replace(new, scales=old.scales)
                for new, old in zip(run.layers, held.layers, strict=True)
            ),
            settings={**run.settings, **settings},
        )

    def add_evidence(self, run: Run, fills: Sequence[str]) -> Run:
        """Add the probabilities of the answer with filled pictures to the run."""
        probs = self.probabilities(run, [filled(run.media, fill) for fill in fills])
        return replace(run, evidence=Evidence(tuple(fills), probs))

    def add_sources(self, run: Run) -> Run:
        """Add the probabilities of the answer with what it may rest on out of reach."""
        return replace(run, sources=read_without_sources(self._engine, run))

    def probabilities(self, run: Run, variants: Sequence[Media]) -> npt.NDArray[np.float32]:
        """Return token probabilities (B, R) float32; see `Explainer.token_probabilities`."""
        answer = [int(token) for token in run.indices(ANSWER)]
        if not variants or not answer:
            return np.zeros((len(variants), len(answer)), np.float32)
        return Reading(self._engine, run).probabilities(variants, answer)


def take_steps(
    steps: Generator[Step | Run, None, None],
    on_step: Callable[[Step], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    stopped: str = "",
) -> Run:
    """Take all steps and return the run at their end.

    `cancel` is called before each step; if it returns True, `Cancelled` is raised with the sentence
    `stopped`.
    """
    while not (cancel and cancel()):
        item = next(steps)
        if isinstance(item, Run):
            return item
        if on_step:
            on_step(item)
    steps.close()
    raise Cancelled(stopped)


def finish_recording(
    steps: Generator[Step | Run, None, None],
    on_token: Callable[[str], None] | None,
    on_progress: Callable[[Step], None] | None,
    cancel: Callable[[], bool] | None,
) -> Run:
    """Return the run at the end of a recording, with the callbacks of `Explainer.record`."""

    def take(step: Step) -> None:
        if on_progress:
            on_progress(step)
        if on_token and step.kind == "token" and step.text:
            on_token(step.text)

    return take_steps(steps, take, cancel, "the recording was stopped")


def _sort_scales(scales: Sequence[Scale]) -> tuple[Scale, ...]:
    """Sort scales: alpha = 1 first, then ascending."""
    return tuple(sorted(scales, key=lambda s: (s.alpha != 1.0, s.alpha)))


class _Clock:
    """Measure the seconds of each phase of a recording, including waits of the consumer."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = round(self.seconds.get(phase, 0.0) + now - self._last, 4)
        self._last = now
