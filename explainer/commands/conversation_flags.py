"""Flags of a conversation: a system prompt, earlier turns, and further questions."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explainer.commands.terminal import decode_argument
from explainer.errors import PromptError
from explainer.media.images import read_header
from explainer.models.decoding import Decoding
from explainer.recording.request import check_text
from explainer.run import Run, Turn
from explainer.run.conversation import read_turns

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

DECODING = ("max_new_tokens", "temperature", "seed", "repetition_penalty", "thinking")
LARGEST_HISTORY = 4 << 20  # bytes


def add_conversation_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    group = parser.add_argument_group("conversation")
    group.add_argument(
        "--system",
        type=decode_argument,
        default="",
        metavar="TEXT",
        help="a system prompt in place of the model's own",
    )
    group.add_argument(
        "--history",
        type=Path,
        metavar="FILE",
        help='earlier turns about the picture: JSON, a list of {"prompt": TEXT, "answer": TEXT}',
    )
    group.add_argument(
        "--ask",
        action="append",
        type=decode_argument,
        default=[],
        metavar="TEXT",
        help="ask this further, of a recorded run, too; give it again for more questions. The last "
        "answer is explained, and with --token any word that was said before",
    )


def read_history(file: Path | None) -> tuple[Turn, ...]:
    """Return the earlier turns of a JSON file; `PromptError` for a file that holds none."""
    if file is None:
        return ()
    try:
        with open(file, "rb") as opened:
            data = opened.read(LARGEST_HISTORY + 1)
    except OSError as error:
        raise PromptError(f"{file} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_HISTORY:
        raise PromptError(f"{file} is larger than {LARGEST_HISTORY >> 20} MB, so it is no history")
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise PromptError(f"{file} is no JSON, or is damaged") from None
    try:
        return read_turns(value)
    except PromptError as error:
        raise PromptError(f"{file}: {error}") from None


def check_question(args: argparse.Namespace) -> None:
    """Raise what is wrong with prompt, decoding or pictures before the model is loaded."""
    if args.prompt is None:
        raise PromptError('a picture needs a question; add --prompt "Describe the image."')
    check_text(args.prompt, "prompt", "write what the model should do")
    penalty = 1.0 if args.repetition_penalty is None else args.repetition_penalty
    Decoding(args.max_new_tokens, args.temperature, args.seed, penalty)
    for image in args.images:
        if os.path.isfile(image) or not os.path.exists(image):  # a pipe can be read only once
            read_header(image)


def read_decoding(args: argparse.Namespace) -> dict[str, Any]:
    """Return how each answer is generated, as arguments of `Explainer.record`."""
    return {name: getattr(args, name) for name in DECODING}


def read_last(args: argparse.Namespace) -> dict[str, Any]:
    """Return what holds for the last answer only, as arguments of `Explainer.record`."""
    return {"fills": args.evidence, "sources": args.sources, "answer": args.answer}


def ask_further(explainer: Explainer, run: Run, args: argparse.Namespace) -> Run:
    """Return the run of the last of the further questions, printing each with its answer."""
    for number, prompt in enumerate(args.ask, 1):
        print(f"\n{prompt}")
        run = explainer.follow_up(
            run,
            prompt,
            on_token=lambda text: print(text, end="", flush=True),
            **read_decoding(args),
            **(read_last(args) if number == len(args.ask) else {}),
        )
        print()
    return run
