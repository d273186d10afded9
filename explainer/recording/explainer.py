"""Recording: the one expensive step, from a picture and a prompt to a `Run`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.attribution import AttributionProgress, Computed, compute
from explainer.errors import Cancelled, RunError
from explainer.media.video import VideoSource
from explainer.methods import Method, find_method
from explainer.methods.comparison import Comparison
from explainer.models.base import Family, Media
from explainer.models.decoding import Decoding
from explainer.models.engine import Engine, memory_in_words
from explainer.models.loading.load import load_family
from explainer.models.loading.options import LoadOptions, OnProgress
from explainer.probing.regions import Region, hidden
from explainer.probing.reliance import EMPTY
from explainer.recording.packing import ids_of_bases, with_ids, with_words
from explainer.recording.request import (
    Pictures,
    VisualInput,
    check_fills,
    check_layer_bytes,
    check_layers,
    check_request,
    check_scales,
    check_text,
    open_asked,
)
from explainer.recording.steps import Recorder, Step
from explainer.run import AttributionKey, Run

__all__ = ["BUNDLED", "SCALES", "Explainer", "Step", "load"]

BUNDLED = Path(__file__).parent.parent.parent / "assets" / "models" / "emoji-qwen2-vl"
SCALES = (0.5, 0.75, 1.0)
_ORIGIN = ("revision", "adapter", "quantize", "tiles")


def load(
    model_or_path: str | Path = BUNDLED,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    *,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> Explainer:
    """Return an `Explainer` for the bundled model, a folder in the hub's layout, or a hub id.

    Args:
        model_or_path: folder or hub id.
        device: "auto" (CUDA if there is one, else MPS, else CPU), or a torch device.
        dtype: "auto", "float32", "bfloat16" or "float16". "auto" is the checkpoint's own on a GPU;
            on a CPU bfloat16 where it computes that natively (AMX, AVX512-BF16, Arm's BF16), else
            float32, which tiny models keep everywhere.
        revision: a branch, tag or commit of the hub id.
        on_progress: called with each `LoadStep`; raising `LoadCancelled` there ends the load.
        options: quantize, device_map, adapter, attention, tiles and so on, see `LoadOptions`.

    Raises:
        ModelError: the checkpoint is missing, incomplete, unsupported, does not fit into the
            memory, or needs code of its own.
    """
    wanted = LoadOptions(device, dtype, revision, **options)
    return Explainer(load_family(model_or_path, wanted, on_progress))


class Explainer:
    """A model, and the code that turns a picture and a prompt into a `Run`.

    Safe to use from several threads: recordings take turns at the model, step by step.
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
        """Return the bytes that the weights take."""
        return self.family.nbytes

    def close(self) -> None:
        """Give the model's memory back; recording afterwards raises `ModelError`.

        A recording under way in another thread ends with that error at its next step.
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
    ) -> Generator[Step | Run, None, None]:
        """Yield a `Step` for each thing done, and the `Run` as the last item.

        All items pickle. Closing the generator ends the recording; nothing is kept.

        Args:
            image: path, bytes, PIL image or array, see `open_image`, or a list of them for models
                that take several; scaled down to `images.MAX_SIDE`.
            video: path, bytes or `Video` in place of a picture, see `open_video`; at most
                `MAX_FRAMES` of its frames are read.
            prompt: plain text; markup of the model in it stays text.
            scales: scale factors to record besides 1, which is always recorded.
            max_new_tokens: the longest answer.
            temperature: 0 for the most probable token each time (greedy), above 0 to draw.
            seed: of the draws.
            repetition_penalty: what the logits of tokens that were said already, or stand in the
                prompt, are weakened by before the next token is chosen, 0.1 to 10; 1 for none, None
                for the checkpoint's own. The probabilities of the run are without it.
            answer: plain text to read as the model's answer, in one pass, in place of generating
                one (teacher forcing); the probabilities are those that the model gives to it.
            layers: decoder layers that can be looked at later with `Run.at_layer`: "last", "even"
                (every second one down from the last), "all", or numbers counted from 1.
            fills: what to put in place of the pictures for `Run.evidence`, names in
                `explainer.media.fills.FILLS`; none by default, as `add_evidence` can do it once the
                answer is there.

        Raises:
            ImageError, PromptError, ScaleError: what was passed in cannot be used.
            LayerError: there is no such layer, or the layers take more than a run may hold.
            ModelError: the memory is not enough.
        """
        if repetition_penalty is None:
            repetition_penalty = self.family.repetition_penalty
        decoding = Decoding(max_new_tokens, temperature, seed, repetition_penalty)
        asked = open_asked(self.family, image, video)
        request = replace(
            check_request(self.family, asked, prompt, scales, decoding),
            given=None if answer is None else self._given(answer),
            layers=check_layers(self.family, layers),
            fills=check_fills(fills),
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
        """Return the recorded answer to `prompt` about `image`, or about `video` and None.

        Args:
            on_token: called with each piece of text as it becomes whole.
            on_progress: called with each `Step`.
            cancel: asked between steps; True ends the recording with `Cancelled`.
            options: as for `stream`.
        """
        steps = self.stream(image, prompt, **options)
        for item in steps:
            if isinstance(item, Run):
                return item
            if on_progress:
                on_progress(item)
            if on_token and item.kind == "token" and item.text:
                on_token(item.text)
            if cancel and cancel():
                steps.close()
                raise Cancelled("the recording was stopped")
        raise RuntimeError("a stream ends with a Run")

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
        """Return about how many bytes the layers besides the last would take in such a recording.

        The model is not run: pictures are only cut into tokens. Arguments and errors as for
        `stream`; the answer counts with its greatest length.
        """
        asked = open_asked(self.family, image, video)
        decoding = Decoding(max_new_tokens, temperature=0, seed=0)
        request = check_request(self.family, asked, prompt, scales, decoding)
        inputs = self.family.compose(asked.media, prompt)
        numbers = check_layers(self.family, layers)
        return check_layer_bytes(self.family, inputs, replace(request, layers=numbers))

    def add_scale(self, run: Run, alpha: float) -> Run:
        """Return `run` with one more scale, the same as if it had been recorded at once.

        A run that already holds the scale comes back as it is.
        """
        self._check_origin(run, "add a scale")
        (alpha,) = check_scales(self.family, [alpha])
        if any(abs(alpha - known) < 1e-6 for known in run.alphas):
            return run
        return self._recorder.add_scale(run, alpha)

    def add_evidence(self, run: Run, fills: Sequence[str] = EMPTY) -> Run:
        """Return `run` with the probabilities of its answer without the pictures.

        One more reading of prompt and answer, of all fills at once; `explainer.probing.reliance`
        interprets it. A run that holds the same evidence already comes back as it is.

        Args:
            fills: what to put in place of the pictures, names in `explainer.media.fills.FILLS`.

        Raises:
            ImageError: there is no such fill.
            RunError: the run was recorded with another model, or its answer cannot be read again.
            ModelError: the memory is not enough.
        """
        self._check_origin(run, "read its answer again")
        wanted = check_fills(fills)
        if not wanted or (run.evidence is not None and run.evidence.fills == wanted):
            return run
        return self._recorder.add_evidence(run, wanted)

    def add_words(self, run: Run, words: Sequence[str]) -> Run:
        """Return `run` with the rows of W for further words, so that they can be explained.

        Each word is plain text, spelled as it stands within a sentence: " cat" with a space before
        it and "cat" without are different tokens; `subjects.spelled` says which one fits a place.
        The ids are told in `settings["words"]`, and `subjects.unsaid` finds them there.
        """
        self._check_origin(run, "explain other words")
        return with_words(self._engine, run, words)

    def teacher_force(self, run: Run, answer: str) -> Run:
        """Return the run of the same pictures and prompt with `answer` in place of the answer.

        The text is read in one pass as if the model had said it: its states, probabilities and
        candidates are the model's own. Visual states do not depend on it, so all scales are taken
        over, in all layers; evidence is measured anew if the run has it. The same as `record` with
        `answer`, which see.
        """
        self._check_origin(run, "read another answer")
        notes = tuple(run.settings.get("image_notes", ()))
        asked = VisualInput(run.images, run.labels, run.video, notes)
        request = replace(
            check_request(self.family, asked, run.prompt, (), Decoding(1, 0.0, 0)),
            given=self._given(answer),
            layers=run.layer_numbers[:-1],
            fills=() if run.evidence is None else run.evidence.fills,
        )
        *_, forced = self._recorder.start(request)
        held = [scale for part in (run, *run.layers) for scale in part.scales]
        return replace(
            with_ids(self._engine, forced, ids_of_bases(held)),
            scales=run.scales,
            layers=tuple(
                replace(new, scales=old.scales)
                for new, old in zip(forced.layers, run.layers, strict=True)
            ),
            settings={**forced.settings, "scales": run.settings.get("scales", [1.0])},
        )

    def _given(self, answer: str) -> tuple[int, ...]:
        """Return the ids of an answer to read in place of generating one."""
        text = check_text(answer, "answer", "write what the model could have said")
        return tuple(self.family.codec.encode_answer(text))

    def attributing(
        self, run: Run, tokens: int | Sequence[int], method: str, **knobs: Any
    ) -> Generator[Step | Run, None, None]:
        """Yield a `Step` for each map of a comparison method, and of one that reads the pictures
        many times for each batch of readings, and the run with the maps as the last item.

        All items pickle. Closing the generator ends the work; nothing is kept. Arguments and errors
        as for `attribute`.
        """
        declared = find_method(method)
        settings = declared.settings(**knobs)
        wanted = [run.check_token(t) for t in ([tokens] if np.ndim(tokens) == 0 else tokens)]
        if isinstance(declared, Comparison):
            self._check_origin(run, "compute its maps")
        return self._attributing(run, wanted, declared, settings)

    def _attributing(
        self, run: Run, wanted: Sequence[int], method: Method, settings: Mapping[str, Any]
    ) -> Generator[Step | Run, None, None]:
        is_asked = isinstance(method, Comparison) and len(wanted) > 0
        left = method.lacks(run, wanted, settings) if is_asked else []
        if not left:
            yield run
            return
        options = {name: settings[name] for name in method.options}
        made: dict[AttributionKey, Computed] = {}
        texts = run.tokens.texts
        with memory_in_words("use a smaller picture or load the model in bfloat16"):
            for item in compute(self._engine, run, left, method.name, options):
                if isinstance(item, AttributionProgress):
                    yield Step("reading", texts[item.token], item.done, item.total)
                    continue
                token = left[len(made)]
                made[method.key(token, settings)] = item
                yield Step("map", texts[token], len(made), len(left))
        yield run.with_attributions(
            {key: found.values for key, found in made.items()},
            {key: found.notes for key, found in made.items() if found.notes},
        )

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
        """Return `run` with the maps of a comparison method for one token or several.

        The recorded sequence is read again with gradients, attention or relevance looked at, once
        for all tokens, or, for EAGLE, with parts of the pictures hidden, many times; then
        `find_method(method)(run, token, **knobs)` draws the maps. Maps that the run holds already
        are kept, and a method that needs no model gives the run back as it is. See
        `explainer.attribution`.

        Args:
            tokens: indices of text tokens.
            method: a name in `COMPARISON` or, opting in, in `OPT_IN`.
            on_progress: called with a `Step` for each map, and each batch of readings of EAGLE.
            cancel: asked before each of these; True ends the work with `Cancelled`.
            knobs: those of the method. With normalisation "answer" the maps of all words of the
                answer are computed.

        Raises:
            MethodError, KnobError, TokenError: the method, a knob or a token cannot be used.
            RunError: the run was recorded with another model, or is about a video and the method
                takes none.
        """
        steps = self.attributing(run, tokens, method, **knobs)
        while True:
            if cancel and cancel():
                steps.close()
                raise Cancelled("the computation of the maps was stopped")
            item = next(steps)
            if isinstance(item, Run):
                return item
            if on_progress:
                on_progress(item)

    def token_probabilities(self, run: Run, variants: Sequence[Media]) -> npt.NDArray[np.float32]:
        """Return (B, R) float32: how probable each of the R answer tokens is after the same prompt
        and the answer before it, with each of B other pictures in place of the run's.

        All answer tokens come from one reading, and the B pictures are read at once, or one after
        another if the memory is not enough for that.

        Args:
            variants: for each, pictures of the sizes of `run.images` ((H, W, 3) uint8), or a video
                like the run's. `[run.media]` gives `run.probs` of the answer again.

        Raises:
            RunError: the run was recorded with another model, or a picture has another size.
            ModelError: the memory is not enough.
        """
        self._check_origin(run, "read its answer again")
        return self._recorder.probabilities(run, variants)

    def probabilities_without(
        self, run: Run, regions: Sequence[Region], fill: str = "mean"
    ) -> npt.NDArray[np.float32]:
        """Return (B, R) float32: how probable each of the R answer tokens is after the same prompt
        and the answer before it, with each of B regions of the pictures hidden in turn.

        `regions.shown_by(heatmap)` is what a map points at, and its `elsewhere()` a control;
        `regions.within_box(run, box)` is a rectangle; `whatif.change` reads the numbers of a word.

        Args:
            regions: of the run's pictures.
            fill: what is put in their place, a name in `explainer.media.fills.FILLS`.

        Raises:
            RunError: the run is about a video, or was recorded with another model.
            ImageError: there is no such fill.
            ModelError: the memory is not enough.
        """
        self._check_origin(run, "read its answer again")
        variants = [hidden(run, region, fill) for region in regions]
        return self._recorder.probabilities(run, variants)

    def _check_origin(self, run: Run, purpose: str) -> None:
        """Raise `RunError` if the run was recorded with another model, or is a look at a layer."""
        if run.layer not in (None, self.family.depth):
            raise RunError(f"this is a look at layer {run.layer}; use the run itself to {purpose}")
        origin = {"revision": self.family.revision, **self.family.origin}
        theirs, mine = _words(run.model_id, run.settings), _words(self.model_id, origin)
        if theirs != mine:
            raise RunError(
                f"the run was recorded with {theirs}, this model is {mine}; "
                f"load that model to {purpose}"
            )


def _words(model_id: str, settings: Mapping[str, Any]) -> str:
    """Return a model with all that its states depend on, such as "tiny, revision v1, tiles 4"."""
    given = [f"{k} {settings[k]}" for k in _ORIGIN if settings.get(k) is not None]
    return ", ".join([model_id, *given])
