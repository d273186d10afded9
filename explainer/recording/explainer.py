"""`Explainer`: record runs with a model, and extend them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.attribution.region_search import search_regions, searching
from explainer.media.video import VideoSource
from explainer.methods import find_method
from explainer.methods.comparison import Comparison
from explainer.methods.subjects import Word
from explainer.models.base import Family
from explainer.models.decoding import Decoding
from explainer.models.engine import Engine
from explainer.models.inputs import Media
from explainer.probing.eagle_search import SearchProgress
from explainer.probing.region_plan import PLAN, RegionAttribution, RegionPlan, whole_answer
from explainer.probing.regions import Region, hidden
from explainer.probing.reliance import EMPTY
from explainer.probing.tiling import Tiling
from explainer.recording.maps import stream_maps
from explainer.recording.origin import check_origin
from explainer.recording.packing import add_word_rows
from explainer.recording.request import (
    Pictures,
    check_answer,
    check_conversation,
    check_fills,
    check_layer_bytes,
    check_layers,
    check_request,
    check_scales,
    check_thinking,
    open_visual_input,
)
from explainer.recording.step import Step
from explainer.recording.steps import Recorder, finish_recording, take_steps
from explainer.run import Run
from explainer.run.conversation import follow_up_arguments

__all__ = ["SCALES", "Explainer", "Step"]

SCALES = (0.5, 0.75, 1.0)  # recorded by default


class Explainer:
    """Record runs with one model.

    Thread-safe: recordings take turns at the model, one step at a time.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self._engine = Engine(family)
        self._recorder = Recorder(self._engine)

    @property
    def model_id(self) -> str:
        """Return the hub id, or the name of the folder."""
        return self.family.model_id

    @property
    def nbytes(self) -> int:
        """Return the size of the weights in bytes."""
        return self.family.nbytes

    def close(self) -> None:
        """Free the model's memory; recording afterwards raises `ModelError`.

        A recording in progress in another thread fails with that error at its next step.
        """
        self._engine.close()

    # Recording -----------------------------------------------------------------------------------

    def stream(
        self,
        image: Pictures | None,
        prompt: str,
        *,
        video: VideoSource | None = None,
        scales: Sequence[float] = SCALES,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        repetition_penalty: float | None = None,
        answer: str | None = None,
        layers: str | Sequence[int] = "last",
        fills: Sequence[str] = (),
        sources: bool = False,
        thinking: bool = False,
        system: str = "",
        history: Sequence[Sequence[str]] = (),
    ) -> Generator[Step | Run, None, None]:
        """Record, yielding a `Step` after each step and the `Run` as the last item.

        All items can be pickled. Closing the generator cancels the recording.

        Args:
            image: path, bytes, PIL image or array, see `open_image`, or a list of them for models
                that take several; scaled down to `images.MAX_SIDE`.
            video: path, bytes or `Video` in place of a picture, see `open_video`; at most
                `MAX_FRAMES` of its frames are read.
            prompt: plain text; markup of the model in it stays text.
            scales: scale factors to record besides 1, which is always recorded.
            max_new_tokens: the longest answer.
            temperature: 0 for the most probable token each time (greedy), above 0 to draw.
            seed: seed of the sampling.
            repetition_penalty: factor that weakens the logits of tokens in the prompt or the answer
                so far, 0.1 to 10; 1 for none, None for the checkpoint's own. `Run.probs` is without
                it.
            answer: plain text to read as the model's answer, in one pass, in place of generating
                one (teacher forcing); the probabilities are those that the model gives to it.
            layers: decoder layers to store for `Run.at_layer`: "last", "even" (every second one
                down from the last), "all", or numbers counted from 1.
            fills: what replaces the pictures to measure `Run.evidence`, names in
                `explainer.media.fills.FILLS`; none by default, because `add_evidence` can measure
                it later.
            sources: whether to measure what each word rests on, for `Run.sources`; `add_sources`
                can measure it later.
            thinking: whether the answer opens with a thought, for checkpoints whose chat template
                leaves the choice. Its tokens are answer tokens like others, and count among
                `max_new_tokens`; `explainer.run.thought` tells them apart.
            system: plain text of a system prompt, in place of the template's own.
            history: earlier turns about the same picture, oldest first: pairs of a prompt and its
                answer, both plain text. The chat template writes them between picture and prompt.

        Raises:
            ImageError, PromptError, ScaleError: an argument is invalid.
            LayerError: a layer does not exist, or the layers exceed the size limit of a run.
            ModelError: the memory is not enough.
        """
        if repetition_penalty is None:
            repetition_penalty = self.family.repetition_penalty
        decoding = Decoding(max_new_tokens, temperature, seed, repetition_penalty)
        visual = open_visual_input(self.family, image, video)
        request = replace(
            check_request(self.family, visual, prompt, scales, decoding),
            answer_ids=None if answer is None else check_answer(self.family, answer),
            layers=check_layers(self.family, layers),
            fills=check_fills(fills),
            sources=sources,
            thinking=check_thinking(self.family, thinking, answer),
            conversation=check_conversation(system, history),
        )
        return self._recorder.start(request)

    def record(
        self,
        image: Pictures | None,
        prompt: str,
        *,
        on_token: Callable[[str], None] | None = None,
        on_progress: Callable[[Step], None] | None = None,
        cancel: Callable[[], bool] | None = None,
        **options: Any,
    ) -> Run:
        """Record the model's answer to `prompt` about `image` (or `video`, with `image` None).

        Args:
            on_token: called with each piece of decoded text.
            on_progress: called with each `Step`.
            cancel: called before each step; if it returns True, `Cancelled` is raised.
            options: as for `stream`.
        """
        steps = self.stream(image, prompt, **options)
        return finish_recording(steps, on_token, on_progress, cancel)

    def stream_follow_up(
        self, run: Run, prompt: str, **options: Any
    ) -> Generator[Step | Run, None, None]:
        """Record the answer to a further prompt about the pictures of a run, as `stream` does.

        The run's turn becomes the last of `Run.conversation`, and its tokens can be explained. All
        scales of the run are kept, in all layers: equal to `stream` with the system prompt, history
        and scales. They are read anew where `thinking`, by default as for the run and off for a
        given answer, changes what precedes the pictures. `RunError` also for a wordless answer.
        """
        check_origin(self.family, run, "ask it further")
        arguments = follow_up_arguments(run, **options)
        keeps = self._recorder.keeps_scales(run, arguments["thinking"])
        steps = self.stream(prompt=prompt, scales=() if keeps else run.alphas, **arguments)
        return self._recorder.taking_scales(steps, run) if keeps else steps

    def follow_up(self, run: Run, prompt: str, **options: Any) -> Run:
        """Return the run of `stream_follow_up`; `record` has further options."""
        heard = {name: options.pop(name, None) for name in ("on_token", "on_progress", "cancel")}
        return finish_recording(self.stream_follow_up(run, prompt, **options), **heard)

    def layer_bytes(
        self,
        image: Pictures | None,
        prompt: str,
        *,
        video: VideoSource | None = None,
        scales: Sequence[float] = SCALES,
        max_new_tokens: int = 64,
        layers: str | Sequence[int] = "all",
    ) -> int:
        """Estimate the bytes that the layers below the last would take in such a recording.

        The model is not run; pictures are only divided into tokens. The answer is assumed to have
        its greatest length. Arguments and errors as for `stream`.
        """
        visual = open_visual_input(self.family, image, video)
        decoding = Decoding(max_new_tokens, temperature=0, seed=0)
        request = check_request(self.family, visual, prompt, scales, decoding)
        inputs = self.family.compose(visual.media, prompt)
        numbers = check_layers(self.family, layers)
        return check_layer_bytes(self.family, inputs, replace(request, layers=numbers))

    def add_scale(self, run: Run, alpha: float) -> Run:
        """Add a scale to a run, equal to one recorded with the run.

        A run that already holds the scale is returned unchanged.
        """
        check_origin(self.family, run, "add a scale")
        (alpha,) = check_scales(self.family, [alpha])
        if any(abs(alpha - known) < 1e-6 for known in run.alphas):
            return run
        return self._recorder.add_scale(run, alpha)

    def add_evidence(self, run: Run, fills: Sequence[str] = EMPTY) -> Run:
        """Measure the probabilities of a run's answer without its pictures.

        Takes one forward pass, batched over the fills; `explainer.probing.reliance` interprets the
        result. A run that already holds the same evidence is returned unchanged.

        Args:
            fills: what replaces the pictures, names in `explainer.media.fills.FILLS`.

        Raises:
            ImageError: a fill does not exist.
            RunError: the run was recorded with another model, or its answer cannot be read again.
            ModelError: the memory is not enough.
        """
        check_origin(self.family, run, "read its answer again")
        wanted = check_fills(fills)
        if not wanted or (run.evidence is not None and run.evidence.fills == wanted):
            return run
        return self._recorder.add_evidence(run, wanted)

    def add_sources(self, run: Run) -> Run:
        """Measure what each word of an answer rests on: the picture, the prompt, or earlier words.

        Takes one batched reading of the text; `explainer.probing.sources` interprets the result. A
        run that already holds it is returned unchanged.

        Raises:
            RunError: the run was recorded with another model, or its answer cannot be read again.
            ModelError: the memory is not enough, or some layers do not attend to all that precedes.
        """
        check_origin(self.family, run, "read its answer again")
        return run if run.sources is not None else self._recorder.add_sources(run)

    def add_words(self, run: Run, words: Sequence[str]) -> Run:
        """Add the unembedding rows of further words to a run, so that they can be explained.

        Each word is plain text, spelled as within a sentence: " cat" with a leading space and "cat"
        without are different tokens; `subjects.spelled` chooses the one that fits a place.
        `settings["words"]` holds their ids, where `subjects.unsaid` finds them.
        """
        check_origin(self.family, run, "explain other words")
        return add_word_rows(self._engine, run, words)

    def teacher_force(self, run: Run, answer: str) -> Run:
        """Record another answer to the same pictures and prompt (teacher forcing).

        The text is read in one forward pass as if the model had generated it; states, probabilities
        and candidates are the model's own. Visual states do not depend on the answer, so all scales
        are kept, in all layers; evidence and sources are measured again if the run has them. Equal
        to `record` with `answer`.
        """
        check_origin(self.family, run, "read another answer")
        return self._recorder.replace_answer(run, check_answer(self.family, answer))

    def stream_attribution(
        self, run: Run, tokens: int | Sequence[int], method: str, **knobs: Any
    ) -> Generator[Step | Run, None, None]:
        """Compute maps of a comparison method, yielding progress and then the run with the maps.

        Yields a `Step` for each map and, for EAGLE, for each batch of forward passes. All items can
        be pickled. Closing the generator cancels the work. Arguments and errors as for `attribute`.
        """
        declared = find_method(method)
        settings = declared.settings(**knobs)
        several = tokens if isinstance(tokens, (Sequence, np.ndarray)) else [tokens]
        checked = [run.check_token(token) for token in several]
        if isinstance(declared, Comparison):
            check_origin(self.family, run, "compute its maps")
        return stream_maps(self._engine, run, checked, declared, settings)

    def attribute(
        self,
        run: Run,
        tokens: int | Sequence[int],
        method: str,
        *,
        on_progress: Callable[[Step], None] | None = None,
        cancel: Callable[[], bool] | None = None,
        **knobs: Any,
    ) -> Run:
        """Compute maps of a comparison method for one token or several, and add them to the run.

        The recorded sequence is read again to obtain gradients, attention or relevance, once for
        all tokens; EAGLE reads it many times with parts of the pictures hidden. Afterwards
        `find_method(method)(run, token, **knobs)` returns the maps. Maps that the run already holds
        are not computed again, and for a method that needs no model the run is returned unchanged.
        See `explainer.attribution`.

        Args:
            tokens: indices of text tokens.
            method: a name in `COMPARISON` or `OPT_IN`.
            on_progress: called with a `Step` for each map, and each batch of passes of EAGLE.
            cancel: called before each of these; if it returns True, `Cancelled` is raised.
            knobs: the method's settings. Normalisation "answer" computes the maps of all answer
                tokens.

        Raises:
            MethodError, KnobError, TokenError: the method, a knob or a token is invalid.
            RunError: the run was recorded with another model, or holds a video that the method does
                not support.
        """
        steps = self.stream_attribution(run, tokens, method, **knobs)
        return take_steps(steps, on_progress, cancel, "the computation of the maps was stopped")

    def search_regions(
        self, run: Run, word: Word | None = None, plan: RegionPlan = PLAN, **options: Any
    ) -> RegionAttribution:
        """Return which parts of the picture words need, taken together: EAGLE's search.

        Args:
            word: tokens of the answer, or another word in the place of one; None for the whole
                answer.
            plan: how parts are cut, hidden and searched.
            options: tiling, on_progress and cancel, see `region_search.search_regions`.

        Raises:
            TokenError: a token is not of the answer.
            RunError: the run is about a video, or was recorded with another model.
        """
        check_origin(self.family, run, "read its answer again")
        return search_regions(self._engine, run, word or whole_answer(run), plan, **options)

    def stream_regions(
        self, run: Run, word: Word | None, plan: RegionPlan = PLAN, tiling: Tiling | None = None
    ) -> Generator[SearchProgress | RegionAttribution, None, None]:
        """Yield how far the search of `search_regions` is after each batch, and what it found.

        All items can be pickled. Closing the generator ends the search.
        """
        check_origin(self.family, run, "read its answer again")
        steps = searching(self._engine, run, word or whole_answer(run), plan, tiling)
        yield (yield from steps)

    def token_probabilities(self, run: Run, variants: Sequence[Media]) -> npt.NDArray[np.float32]:
        """Return the probabilities of the answer tokens with other pictures in place of the run's.

        The result is (B, R) float32: for each of B variants, the probability of each of the R
        answer tokens after the same prompt and the same answer up to it. All tokens come from one
        forward pass, batched over the variants where memory allows.

        Args:
            variants: B times pictures of the sizes of `run.images` ((H, W, 3) uint8), or a video
                like the run's. `[run.media]` reproduces `run.probs` of the answer.

        Raises:
            RunError: the run was recorded with another model, or a picture has another size.
            ModelError: the memory is not enough.
        """
        check_origin(self.family, run, "read its answer again")
        return self._recorder.probabilities(run, variants)

    def probabilities_without(
        self, run: Run, regions: Sequence[Region], fill: str = "mean"
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities of the answer tokens with regions of the pictures hidden.

        The result is (B, R) float32: for each of B regions, hidden one at a time, the probability
        of each of the R answer tokens. `regions.shown_by(heatmap)` is the region that a map marks,
        and its `elsewhere()` a control; `regions.within_box(run, box)` is a rectangle.

        Args:
            regions: regions of the run's pictures.
            fill: what covers them, a name in `explainer.media.fills.FILLS`.

        Raises:
            RunError: the run is about a video, or was recorded with another model.
            ImageError: the fill does not exist.
            ModelError: the memory is not enough.
        """
        check_origin(self.family, run, "read its answer again")
        variants = [hidden(run, region, fill) for region in regions]
        return self._recorder.probabilities(run, variants)
