"""Run a model: prefill, decoding steps, and products with its unembedding.

No other module runs the network. States come for D layers: the requested ones, then the last one.
They are the input of the logit lens: outputs of decoder layers after the model's final norm.

Every call takes the lock and inference mode, and leaves both before it returns, so that several
recordings can take turns in any threads.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from explainer.errors import ModelError
from explainer.heap import trim_heap
from explainer.models.base import Family
from explainer.models.inputs import Inputs
from explainer.models.picking import Picker
from explainer.models.products import multiply
from explainer.models.threads import choose_sharers, choose_threads, running_on, usable_cores

Layers = Sequence[int]  # numbers of decoder layers, from 1, ascending, without the last

_ROWS = 32  # text states ranked at once: six times their logits are held, 32 x 152k x 4 B each
_IDS = 16_384  # rows of W multiplied at once


@dataclass(eq=False)
class Generation:
    """An answer in progress: the model's cache and the last state, (d,), on the model's device."""

    forward_inputs: dict[str, torch.Tensor]
    cache: Any
    last: torch.Tensor
    layers: tuple[int, ...]
    fed: int = 0


class Ranking(NamedTuple):
    """The predictions of n states: top-K ids, probabilities of the first C, and of the actual ids.

    topk (n, K) int32; candidate_probs (n, C) float32; probs (n,) float32.
    """

    topk: npt.NDArray[np.int32]
    candidate_probs: npt.NDArray[np.float32]
    probs: npt.NDArray[np.float32]


class Engine:
    """Run one model, one call at a time."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._ordinary = family.codec.ordinary()
        self._lock = Lock()
        self._cache = _find_cache_name(family.base)
        self.threads = None if family.device.type != "cpu" else _count_threads(family)
        self.sharers = choose_sharers(self.threads, usable_cores())

    @contextmanager
    def _hold_model(self) -> Iterator[None]:
        """Hold the lock, with the number of threads that suits the model's size."""
        with self._lock, running_on(self.threads):
            yield

    # Running the model ---------------------------------------------------------------------------

    def read(self, inputs: Inputs, layers: Layers = ()) -> tuple[torch.Tensor, Generation]:
        """Prefill: return all states (D, L, d) of a sequence, and the start of a generation."""
        tensors = self.family.forward_inputs(inputs)
        out, states = self._forward(tensors, layers, use_cache=True)
        light = {name: t for name, t in tensors.items() if t.dtype != torch.float32}
        last = states[-1, 0, -1]
        return states[:, 0], Generation(light, getattr(out, self._cache), last, tuple(layers))

    def choose(self, answer: Generation, pick: Picker) -> int:
        """Choose the next id by `pick` from the logits of the last state."""
        with self._hold_model(), torch.inference_mode():
            return pick(self.capped(self.family.unembedding(answer.last)))

    def feed(self, answer: Generation, token: int) -> torch.Tensor:
        """Append a token to the answer; return the states (D, d) at it."""
        tensors = self.family.step_inputs(answer.forward_inputs, answer.fed)
        tensors = {"input_ids": torch.tensor([[token]]), **tensors}
        options = {"use_cache": True, self._cache: answer.cache}
        _, states = self._forward(tensors, answer.layers, **options)
        answer.last = states[-1, 0, -1]
        answer.fed += 1
        return states[:, 0, -1]

    def visual_states(self, inputs: Inputs, layers: Layers = ()) -> torch.Tensor:
        """Return the states (D, N, d) at the visual tokens of a sequence, without a cache."""
        tensors = self.family.forward_inputs(inputs)
        _, states = self._forward(tensors, layers, use_cache=False)
        return states[:, 0, list(inputs.visual)]

    def reread(
        self, batch: Sequence[Inputs], at: Sequence[int], layers: Layers = ()
    ) -> torch.Tensor:
        """Return the states (D, B, n, d) at these positions of a batch of sequences.

        The sequences have one length and layout. A model that runs on one thread reads parts of the
        batch on several cores at once.
        """
        size = len(batch) if layers else -(-len(batch) // self.sharers)
        parts = [batch[i : i + size] for i in range(0, len(batch), size)]
        tensors = [self.family.batch_inputs(part) for part in parts]
        if len(parts) == 1:
            _, states = self._forward(tensors[0], layers, use_cache=False)
            return states[:, :, list(at)]
        with self._hold_model(), ThreadPoolExecutor(len(parts)) as pool:
            states = torch.cat(list(pool.map(self._read_alone, tensors)), dim=1)
        return states[:, :, list(at)]

    def _read_alone(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the states (1, B, L, d) of sequences, on one thread; the model is held."""
        torch.set_num_threads(1)  # of this thread, which ends soon
        with torch.inference_mode():
            return self._run(tensors, (), use_cache=False)[1]

    def _forward(
        self, tensors: dict[str, torch.Tensor], layers: Layers, **options: Any
    ) -> tuple[Any, torch.Tensor]:
        """Return what the base model returns, and the states (D, B, L, d)."""
        with self._hold_model(), torch.inference_mode():
            return self._run(tensors, layers, **options)

    def _run(
        self, tensors: dict[str, torch.Tensor], layers: Layers, **options: Any
    ) -> tuple[Any, torch.Tensor]:
        """Do the work of `_forward`; the model is held."""
        with _collect_outputs(self.family.decoder, layers) as outputs:
            device = self.family.input_device
            moved = {name: t.to(device) for name, t in tensors.items()}
            out = self.family.base(**moved, return_dict=True, **options)
            norm = self.family.final_norm
            states = [norm(x.to(norm.weight.device)) for x in outputs]
            states.append(out.last_hidden_state)
            return out, torch.stack([x.to(self.family.device) for x in states])

    @contextmanager
    def hold_alone(self) -> Iterator[Family]:
        """Hold the model for a forward pass with hooks or gradients; other calls wait.

        The caller must remove its hooks, and call nothing else of this engine meanwhile.
        """
        with self._hold_model(), torch.inference_mode(False), torch.enable_grad():
            yield self.family

    def free(self) -> None:
        """Free memory that allocators hold without need."""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if torch.backends.mps.is_available():
            torch.mps.empty_cache()
        trim_heap()

    def close(self) -> None:
        """Close the model after the current call, and free its memory."""
        with self._hold_model():
            self.family.close()
        self.free()

    # Products with the unembedding, in float32 ---------------------------------------------------

    def rank(self, states: torch.Tensor, ids: Sequence[int], k: int, c: int) -> Ranking:
        """Rank the predictions of the states (n, d), and return the probabilities of `ids` (n).

        Equal logits are ordered by id, so that the lists do not depend on the device.
        """
        with self._hold_model(), torch.inference_mode():
            parts = [
                self._rank_rows(states[i : i + _ROWS], ids[i : i + _ROWS], k, c)
                for i in range(0, len(ids), _ROWS)
            ]
        return Ranking(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _rank_rows(self, states: torch.Tensor, ids: Sequence[int], k: int, c: int) -> Ranking:
        logits = self._logits(states)  # (n, V)
        total = logits.logsumexp(-1)
        values, top = _sort_ties(*logits.topk(min(k, logits.shape[1]), sorted=False))
        actual = logits.gather(1, torch.tensor(ids, device=logits.device)[:, None])[:, 0]
        return Ranking(
            top.int().cpu().numpy(),
            (values[:, :c] - total[:, None]).exp().cpu().numpy(),
            (actual - total).exp().cpu().numpy(),
        )

    def probabilities(
        self, states: torch.Tensor, ids: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.float32]:
        """Return the probability (n,) float32 of id n after state n, of (n, d)."""
        parts = []
        with self._hold_model(), torch.inference_mode():
            for i in range(0, len(ids), _ROWS):
                logits = self._logits(states[i : i + _ROWS])
                wanted = torch.from_numpy(ids[i : i + _ROWS].astype(np.int64)).to(logits.device)
                actual = logits.gather(1, wanted[:, None])[:, 0]
                parts.append((actual - logits.logsumexp(-1)).exp().cpu().numpy())
        return np.concatenate(parts)

    def top_ids(self, states: torch.Tensor, k: int) -> npt.NDArray[np.int32]:
        """Return the ids (N, k) int32 with the highest logits for each of the states (N, d).

        Best first, over the whole vocabulary. Logits are computed in chunks, so that no more than
        (N, 16k) are held.
        """
        values, ids = [], []
        with self._hold_model(), torch.inference_mode():
            layer = self.family.unembedding
            for start in range(0, len(layer.weight), _IDS):
                part = slice(start, start + _IDS)
                logits = multiply(states, layer.weight[part])
                logits += 0 if layer.bias is None else layer.bias[part].float()
                best, at = logits.topk(min(k, logits.shape[1]), sorted=False)
                values.append(best)
                ids.append(at + start)
            _, ranked = _sort_ties(torch.cat(values, 1), torch.cat(ids, 1))
            return ranked[:, :k].int().cpu().numpy()

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, V) float32, computed from chunks of W."""
        layer = self.family.unembedding
        pieces = [multiply(states, part) for part in layer.weight.split(_IDS)]
        logits = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)
        return self.capped(logits if layer.bias is None else logits + layer.bias.float())

    def capped(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits as the model caps them; their order stays."""
        cap = self.family.logit_softcap
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def least_ids(self, states: torch.Tensor) -> tuple[int, int]:
        """Return the ids with the smallest logit summed over the states (N, d).

        The first is the smallest among non-special ids, the second among all, including special and
        unused ones. The sum of the logits is the logit of the sum: one product instead of N (A_0 of
        Eq. 8).
        """
        with self._hold_model(), torch.inference_mode():
            mean = states.float().mean(0, keepdim=True)
            whole = self._logits(mean)[0]
            known = whole[: len(self._ordinary)]
            allowed = torch.from_numpy(self._ordinary[: len(known)]).to(whole.device)
            ordinary = int(known.masked_fill(~allowed, torch.inf).argmin())
            return ordinary, int(whole.argmin())

    def rows(self, ids: npt.NDArray[np.int32]) -> tuple[npt.NDArray, npt.NDArray]:
        """Return the rows of W (U, d) float16 and the bias (U,) float32 of these ids."""
        with self._hold_model(), torch.inference_mode():
            layer = self.family.unembedding
            at = torch.from_numpy(ids.astype(np.int64)).to(layer.weight.device)
            bias = torch.zeros(len(ids)) if layer.bias is None else layer.bias[at]
            return to_float16(layer.weight[at]), bias.float().cpu().numpy()


def _count_threads(family: Family) -> int | None:
    parameters = sum(p.numel() for p in family.model.parameters())
    return choose_threads(parameters, usable_cores())


def _find_cache_name(base: torch.nn.Module) -> str:
    """Return the name of the cache in `forward`, which transformers 5.24 changed."""
    names = inspect.signature(base.forward).parameters
    return "cache" if "cache" in names else "past_key_values"


def _sort_ties(values: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sort both (n, k) by value, descending, and by id among equal values."""
    by_id = ids.argsort(-1)
    values, order = values.gather(1, by_id).sort(dim=-1, descending=True, stable=True)
    return values, ids.gather(1, by_id).gather(1, order)


def to_float16(states: torch.Tensor) -> npt.NDArray[np.float16]:
    """Return an array on the CPU; raise `ModelError` if float16 cannot hold the values."""
    array = states.detach().to("cpu", torch.float16).numpy()
    if not np.isfinite(array).all():
        raise ModelError("the model produced infinite values; load it with dtype float32")
    return array


@contextmanager
def _collect_outputs(decoder: torch.nn.Module, layers: Layers) -> Iterator[list[torch.Tensor]]:
    """Collect the outputs (B, L, d) of these layers in the returned list while they run.

    They are taken at the input of the next layer, because some models add features of the picture
    between the first layers (DeepStack), which belong to the output.
    """
    outputs: list[torch.Tensor] = []

    def keep(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        outputs.append(args[0] if args else kwargs["hidden_states"])

    hooks = [
        decoder.layers[number].register_forward_pre_hook(keep, with_kwargs=True)
        for number in layers
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def describe_memory_errors(what_to_lower: str) -> Iterator[None]:
    """Turn running out of memory into a `ModelError` that says what to reduce."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise ModelError(f"the memory is not enough for this; {what_to_lower}") from None
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # message of the CPU allocator
            raise
        raise ModelError(f"the memory is not enough for this; {what_to_lower}") from None
