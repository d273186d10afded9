"""Read a checkpoint with transformers: its parts, with progress, and a check of all weights."""

from __future__ import annotations

import importlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, get_ident
from typing import Any

import transformers
from transformers import AutoConfig, AutoTokenizer

from explainer.errors import ModelError
from explainer.models.loading.checkpoint import Checkpoint
from explainer.models.loading.pages import find_mappings, release_file_pages

OnFraction = Callable[[float], None]

# Checkpoints in a layout of their own: modules with `load_parts(folder, name, **options)`, which
# returns network, tokenizer and image processor.
_OWN_LAYOUT: Mapping[str, str] = {"internvl_chat": "explainer.models.loading.internvl_chat"}

_TELL_EVERY = 0.02  # seconds, or more to take a fifth of the time; file pages are given back too
_TURN = Lock()  # transformers has one place for progress, shared by all threads


def read_parts(
    checkpoint: Checkpoint, options: Mapping[str, Any], at: OnFraction
) -> tuple[Any, Any, Any]:
    """Return network, tokenizer and image processor of a checkpoint.

    Args:
        checkpoint: where it is, with all files there.
        options: for `from_pretrained` of the network: dtype, device_map, quantization and so on.
        at: called with the fraction of weights that was read, in this thread: 0 before memory is
            taken. It stands in for transformers' progress bar, which is never shown.

    Raises:
        ModelError: the weights do not agree with config.json.
    """
    folder = checkpoint.folder
    kept = find_mappings(folder)

    def tell(fraction: float) -> None:
        release_file_pages(folder, kept)
        at(fraction)

    own = _OWN_LAYOUT.get(checkpoint.raw["model_type"])
    if own:
        with _report_progress(tell):
            return importlib.import_module(own).load_parts(folder, checkpoint.name, **options)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    tokenizer.chat_template = _processors_template(folder) or tokenizer.chat_template
    processor = checkpoint.family.load_processor(str(folder), None)
    with _report_progress(tell):
        network, found = getattr(transformers, checkpoint.family.model_class).from_pretrained(
            folder,
            config=config,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that they can be named below
            **options,
        )
    _check_loaded(checkpoint.name, network, found)
    return network, tokenizer, processor


def _processors_template(folder: Path) -> str | None:
    """Return the chat template of the processor, which includes pictures.

    A `chat_template.jinja` is also read by tokenizers, so nothing is needed for it.
    """
    for name in ("chat_template.json", "processor_config.json"):
        file = folder / name
        template = json.loads(file.read_text()).get("chat_template") if file.is_file() else None
        if template and not (folder / "chat_template.jinja").is_file():
            return template
    return None


def _check_loaded(name: str, network: Any, found: Mapping[str, Any]) -> None:
    """Raise `ModelError` for missing weights, or for weights that the model does not use.

    transformers fills missing weights with random numbers and drops unused ones. Unused ones count
    if the model has tensors of the same kind: config.json then names too few layers.
    """
    said = [f"{key} missing" for key in sorted(found["missing_keys"])]
    said += [
        f"{key} is {tuple(there)} in the file and {tuple(wanted)} by config.json"
        for key, there, wanted in sorted(found["mismatched_keys"])
    ]
    kinds = {_kind(key) for key in network.state_dict()}
    said += [
        f"{key} has no place" for key in sorted(found["unexpected_keys"]) if _kind(key) in kinds
    ]
    if said:
        more = f" and {len(said) - 3} more" if len(said) > 3 else ""
        raise ModelError(
            f"{name}: config.json and the weights disagree: {', '.join(said[:3])}{more}; use the "
            "config.json that belongs to these weights"
        )


def _kind(key: str) -> str:
    """Return the end of a tensor's name without numbers: the same for all layers."""
    return re.sub(r"(?<=\.)\d+(?=\.)", "*", key.removeprefix("model."))


@contextmanager
def _report_progress(at: OnFraction) -> Iterator[None]:
    """Call `at` with the fraction of weights that was read, and silence transformers' report.

    The first call comes before waiting for other loads.
    """
    at(0.0)
    logger, report = logging.getLogger("transformers.modeling_utils"), _NoReport()
    with _TURN:
        logger.addFilter(report)
        try:
            with _count_weights(at):
                yield
        finally:
            logger.removeFilter(report)


class _NoReport(logging.Filter):
    """Drop the table of tensors that do not fit; `_check_loaded` reports them in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()


@contextmanager
def _count_weights(at: OnFraction) -> Iterator[None]:
    """Let transformers call `at` in place of its progress bar, in this thread."""
    thread = get_ident()

    def hook(factory: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if get_ident() == thread and kwargs.get("desc") == "Loading weights":
            return _iterate_counted(list(args[0]), at)
        return previous(factory, args, kwargs) if previous else factory(*args, **kwargs)

    previous = transformers.utils.logging.set_tqdm_hook(hook)
    try:
        yield
    finally:
        transformers.utils.logging.set_tqdm_hook(previous)


def _iterate_counted(items: list[Any], at: OnFraction) -> Iterable[Any]:
    told_at, pause = time.monotonic(), _TELL_EVERY
    for done, item in enumerate(items, 1):
        yield item
        if done == len(items) or time.monotonic() - told_at > pause:
            start = time.thread_time()
            at(done / len(items))
            told_at, pause = time.monotonic(), max(_TELL_EVERY, 4 * (time.thread_time() - start))
