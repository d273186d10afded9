"""Recording: the one expensive step, from a picture and a prompt to a `Run`."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from explainer.engine import Answering, Engine, Picker, Ranking, memory_in_words, to_float16
from explainer.errors import Cancelled, PromptError, RunError, ScaleError
from explainer.images import MAX_SIDE, ImageSource, fit, open_image
from explainer.models.base import Family, Inputs
from explainer.models.loading import load_family
from explainer.models.text import TextStream
from explainer.run import ANSWER, Run, Scale, Tokens, Unembedding

BUNDLED = Path(__file__).parent.parent / "assets" / "models" / "emoji-qwen2-vl"
SCALES = (0.5, 0.75, 1.0)
TOP_K = 200
CANDIDATES = 10


def load(
    model_or_path: str | Path = BUNDLED,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
) -> Explainer:
    """Return an `Explainer` for the bundled model, a folder in the hub's layout, or a hub id.

    Args:
        model_or_path: folder or hub id.
        device: "auto" (CUDA if there is one, else CPU), or a torch device.
        dtype: "auto" (the checkpoint's own on a GPU, float32 on a CPU), "float32", "bfloat16" or
            "float16".
        revision: a branch, tag or commit of the hub id.

    Raises:
        ModelError: the checkpoint is missing, incomplete, unsupported, or needs code of its own.
    """
    return Explainer(load_family(model_or_path, device, dtype, revision))


@dataclass(frozen=True)
class Step:
    """One step of a recording that was done.

    Attributes:
        kind: "read" (picture and prompt were read), "token" (an answer token was generated) or
            "scale" (the picture was read again at another scale).
        text: for "token", the text that became whole, possibly ""; for "scale", the factor.
        done: how many steps of this kind are done.
        total: how many there can be; an answer may end earlier.
    """

    kind: str
    text: str
    done: int
    total: int


@dataclass(frozen=True)
class _Request:
    """What was asked for, checked."""

    pixels: npt.NDArray[np.uint8]
    notes: tuple[str, ...]
    prompt: str
    scales: tuple[float, ...]
    max_new_tokens: int
    temperature: float
    seed: int


@dataclass(eq=False)
class _Answer:
    """What the generation leaves: ids, states and why it ended."""

    ids: list[int] = field(default_factory=list)
    states: list[torch.Tensor] = field(default_factory=list)
    finish: str = "length"


class Explainer:
    """A model, and the code that turns a picture and a prompt into a `Run`.

    Safe to use from several threads: recordings take turns at the model, step by step.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self._engine = Engine(family)
        self._ordinary = family.codec.ordinary()

    @property
    def model_id(self) -> str:
        """Return the hub id, or the name of the folder."""
        return self.family.model_id

    @property
    def max_image_side(self) -> int:
        """Return the long side, in pixels, that larger pictures are scaled down to."""
        return MAX_SIDE

    # Recording -----------------------------------------------------------------------------------

    def stream(
        self,
        image: ImageSource,
        prompt: str,
        *,
        scales: Sequence[float] = SCALES,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Generator[Step | Run, None, None]:
        """Yield a `Step` for each thing done, and the `Run` as the last item.

        All items pickle. Closing the generator ends the recording; nothing is kept.

        Args:
            image: path, bytes, PIL image or array, see `open_image`; scaled down to `MAX_SIDE`.
            prompt: plain text; markup of the model in it stays text.
            scales: scale factors to record besides 1, which is always recorded.
            max_new_tokens: the longest answer.
            temperature: 0 for the most probable token each time (greedy), above 0 to draw.
            seed: of the draws.

        Raises:
            ImageError, PromptError, ScaleError: what was passed in cannot be used.
            ModelError: the memory is not enough.
        """
        request = self._check(image, prompt, scales, max_new_tokens, temperature, seed)
        inputs = self.family.compose(request.pixels, request.prompt)
        self._check_length(inputs, request.max_new_tokens)
        return self._stream(request, inputs)

    def record(
        self,
        image: ImageSource,
        prompt: str,
        *,
        on_token: Callable[[str], None] | None = None,
        on_progress: Callable[[Step], None] | None = None,
        cancel: Callable[[], bool] | None = None,
        **options: Any,
    ) -> Run:
        """Return the recorded answer to `prompt` about `image`.

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

    def add_scale(self, run: Run, alpha: float) -> Run:
        """Return `run` with one more scale, the same as if it had been recorded at once.

        A run that already holds the scale comes back as it is.
        """
        if (run.model_id, run.settings.get("revision")) != (self.model_id, self.family.revision):
            raise RunError(
                f"the run was recorded with {run.model_id}, this model is {self.model_id}; "
                "load that model to add a scale"
            )
        (alpha,) = self._check_scales([alpha])
        if any(abs(alpha - known) < 1e-6 for known in run.alphas):
            return run
        scale = self._read_scale(run.image, alpha)
        first, *others = run.with_scale(scale).scales
        others.sort(key=lambda s: s.alpha)
        pieces = {**run.pieces, scale.base_id: self.family.codec.piece(scale.base_id)}
        asked = sorted({*run.settings.get("scales", ()), alpha})
        return replace(
            run,
            scales=(first, *others),
            unembedding=self._unembedding({*run.unembedding.ids.tolist(), scale.base_id}),
            pieces=pieces,
            settings={**run.settings, "scales": asked},
        )

    # Steps of a recording ------------------------------------------------------------------------

    def _stream(self, request: _Request, inputs: Inputs) -> Generator[Step | Run, None, None]:
        clock = _Clock()
        answer = _Answer()
        with memory_in_words("use a smaller picture, a shorter prompt or fewer new tokens"):
            states, answering = self._engine.read(inputs)
            clock.lap("read")
            yield Step("read", "", 1, 1)
            yield from self._generate(request, answering, answer)
            clock.lap("answer")
        del answering  # frees the cache before the other scales are read
        run = self._pack(request, inputs, states, answer)
        del states
        clock.lap("pack")
        for done, alpha in enumerate(request.scales, 1):
            run = self.add_scale(run, alpha)
            clock.lap("scales")
            yield Step("scale", f"{alpha:g}", done, len(request.scales))
        yield replace(run, settings={**run.settings, "seconds": clock.seconds})

    def _generate(
        self, request: _Request, answering: Answering, answer: _Answer
    ) -> Generator[Step, None, None]:
        """Generate token after token into `answer`."""
        pick = Picker(request.temperature, request.seed, self.family.device)
        text = TextStream(self.family.codec)
        stop = self.family.stop_ids
        for done in range(1, request.max_new_tokens + 1):
            token = self._engine.choose(answering, pick)
            if token in stop:
                answer.finish = "eos"
                break
            answer.ids.append(token)
            answer.states.append(self._engine.feed(answering, token))
            yield Step("token", text.feed(token), done, request.max_new_tokens)
        if rest := text.finish():
            yield Step("token", rest, len(answer.ids), request.max_new_tokens)

    def _read_scale(self, pixels: npt.NDArray[np.uint8], alpha: float) -> Scale:
        """Return one more scale, trying again with freed memory if the first try finds none."""
        inputs = self.family.compose_prefix(pixels, alpha)
        if len(inputs.ids) > self.family.max_length:
            raise ScaleError(
                f"at scale {alpha:g} the picture takes {len(inputs.ids)} tokens, and the model "
                f"takes {self.family.max_length}; use a smaller factor"
            )
        try:
            states = self._engine.visual_states(inputs)
        except torch.OutOfMemoryError:
            self._engine.free()
            with memory_in_words(f"leave out scale {alpha:g} or use a smaller picture"):
                states = self._engine.visual_states(inputs)
        return self._scale(alpha, inputs, states)

    def _scale(self, alpha: float, inputs: Inputs, states: torch.Tensor) -> Scale:
        return Scale(
            alpha=alpha,
            grid=inputs.picture.grid,
            states=to_float16(states),
            rects=inputs.picture.rects,
            base_id=self._engine.base_id(states, self._ordinary),
        )

    # Packing -------------------------------------------------------------------------------------

    def _pack(
        self, request: _Request, inputs: Inputs, states: torch.Tensor, answer: _Answer
    ) -> Run:
        """Return the run at scale 1."""
        at = inputs.text_positions
        ids = [*(inputs.ids[p] for p in at), *answer.ids]
        positions = [*at, *range(len(inputs.ids), len(inputs.ids) + len(answer.ids))]
        before = states[[max(p - 1, 0) for p in [*at, len(inputs.ids)]]]
        rows = torch.cat([before, torch.stack(answer.states)]) if answer.states else before
        nothing_before = positions[0] == 0
        ranking = self._rank(rows, ids, nothing_before)
        visual = states[inputs.visual.start : inputs.visual.stop]
        scale = self._scale(1.0, inputs, visual)
        stored = to_float16(rows)
        stored[: int(nothing_before)] = 0
        return Run(
            image=request.pixels,
            prompt=request.prompt,
            model_id=self.model_id,
            tokens=Tokens(
                ids=np.array(ids, np.int32),
                texts=self.family.codec.texts(ids),
                roles=np.array([*inputs.roles, *[ANSWER] * len(answer.ids)], np.uint8),
                positions=np.array(positions, np.int32),
            ),
            states=stored,
            topk=ranking.topk,
            candidate_probs=ranking.candidate_probs,
            probs=ranking.probs[:-1],
            scales=(scale,),
            unembedding=self._unembedding(_in_play(ids, ranking.topk, scale, len(answer.ids))),
            pieces=self._pieces(ranking.topk, scale.base_id),
            settings=self._settings(request, answer),
        )

    def _rank(self, rows: torch.Tensor, ids: Sequence[int], nothing_before: bool) -> Ranking:
        """Return the ranking of the T + 1 rows; the last predicts no token of the run."""
        ranking = self._engine.rank(rows, [*ids, 0], TOP_K, CANDIDATES)
        if nothing_before:
            ranking.topk[0], ranking.candidate_probs[0], ranking.probs[0] = -1, 0, np.nan
        return ranking

    def _unembedding(self, ids: set[int]) -> Unembedding:
        wanted = np.array(sorted(ids), np.int32)
        return Unembedding(wanted, *self._engine.rows(wanted))

    def _pieces(self, topk: npt.NDArray[np.int32], base_id: int) -> dict[int, str]:
        wanted = sorted({*np.unique(topk[topk >= 0]).tolist(), base_id})
        return {i: self.family.codec.piece(i) for i in wanted}

    def _settings(self, request: _Request, answer: _Answer) -> dict[str, Any]:
        return {
            "family": self.family.label,
            "revision": self.family.revision,
            "scales": [1.0],
            "max_new_tokens": request.max_new_tokens,
            "decoding": "sampling" if request.temperature else "greedy",
            "temperature": request.temperature,
            "seed": request.seed,
            "finish": answer.finish,
            "dtype": str(self.family.unembedding.weight.dtype).removeprefix("torch."),
            "device": self.family.device.type,
            "image_notes": list(request.notes),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "transformers": version("transformers"),
            },
        }

    # Checks --------------------------------------------------------------------------------------

    def _check(
        self,
        image: ImageSource,
        prompt: str,
        scales: Sequence[float],
        max_new_tokens: int,
        temperature: float,
        seed: int,
    ) -> _Request:
        if not isinstance(prompt, str) or not prompt.strip():
            raise PromptError("the prompt is empty; write what the model should do")
        if any("\ud800" <= c <= "\udfff" for c in prompt):
            raise PromptError("the prompt holds half a character (a lone surrogate); remove it")
        if isinstance(max_new_tokens, bool) or int(max_new_tokens) < 1:
            raise PromptError(f"max_new_tokens must be at least 1, got {max_new_tokens}")
        if not 0 <= temperature <= 10:
            raise PromptError(f"temperature must lie in 0..10, got {temperature:g}")
        pixels, notes = open_image(image)
        return _Request(
            pixels=fit(pixels),
            notes=notes,
            prompt=prompt,
            scales=tuple(a for a in self._check_scales(scales) if a != 1),
            max_new_tokens=int(max_new_tokens),
            temperature=float(temperature),
            seed=int(seed),
        )

    def _check_scales(self, scales: Sequence[float]) -> list[float]:
        """Return the factors in ascending order, each once: small ones are read first."""
        low, high = self.family.alphas
        for alpha in scales:
            if not isinstance(alpha, (int, float, np.number)) or not low <= alpha <= high:
                raise ScaleError(
                    f"a scale of {self.family.label} lies in {low:g}..{high:g}, got {alpha}"
                )
        return sorted({round(float(alpha), 6) for alpha in scales})

    def _check_length(self, inputs: Inputs, max_new_tokens: int) -> None:
        longest = self.family.max_length
        picture, text = len(inputs.visual), len(inputs.ids) - len(inputs.visual)
        if len(inputs.ids) + max_new_tokens > longest:
            raise PromptError(
                f"picture ({picture} tokens), prompt with its template ({text}) and answer (up to "
                f"{max_new_tokens}) are more than the {longest} tokens that {self.model_id} takes; "
                "shorten the prompt or the answer, or use a smaller picture"
            )


def _in_play(
    ids: Sequence[int], topk: npt.NDArray[np.int32], scale: Scale, answered: int
) -> set[int]:
    """Return the ids whose rows travel with a run.

    All tokens, what each state would have said first, the base id, and for the answer the
    candidates that were passed over, so that they can be explained too.
    """
    first = topk[:, 0][topk[:, 0] >= 0].tolist()
    rivals = topk[len(topk) - 1 - answered :, :CANDIDATES].ravel().tolist()
    return {*ids, *first, *rivals, scale.base_id}


class _Clock:
    """Seconds spent in each phase of a recording, waiting consumers included."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = round(self.seconds.get(phase, 0.0) + now - self._last, 4)
        self._last = now
