"""Go on with a conversation: what the next prompt about the same pictures follows."""

from __future__ import annotations

from typing import Any

from explainer.errors import PromptError, RunError
from explainer.run.run import Run
from explainer.run.schema import ANSWER, MOST_TURNS, Conversation, Turn
from explainer.run.thought import asks_for_thought, thought


def continued(run: Run) -> Conversation:
    """Return the conversation of a run with its prompt and answer as the last turn.

    The answer goes in without its thought and the space around it, as chat templates write earlier
    answers. Raises `RunError` for an answer without words, or a conversation of `MOST_TURNS`.
    """
    thoughts = set(thought(run))
    answer = "".join(run.tokens.texts[i] for i in run.indices(ANSWER) if int(i) not in thoughts)
    if not answer.strip():
        raise RunError(
            "the answer has no words that a further question could follow; ask the first one anew"
        )
    turns = (*run.conversation.turns, Turn(run.prompt, answer.strip()))
    if len(turns) > MOST_TURNS:
        raise RunError(f"a conversation has at most {MOST_TURNS} earlier turns; start a new one")
    return Conversation(run.conversation.system, turns)


def follow_up_arguments(run: Run, **options: Any) -> dict[str, Any]:
    """Return the arguments of `Explainer.stream` that go on with a run, besides prompt and scales.

    `options` are further ones. The answer opens with a thought if the run's did, unless it is given
    or `options` say otherwise.
    """
    conversation, is_given = continued(run), options.get("answer") is not None
    options.setdefault("thinking", asks_for_thought(run) and not is_given)
    return dict(
        image=run.images if run.video is None else None,
        video=run.video,
        layers=run.layer_numbers[:-1],
        system=conversation.system,
        history=conversation.turns,
        **options,
    )


def read_turns(value: Any) -> tuple[Turn, ...]:
    """Return earlier turns from JSON: a list of objects with the texts `prompt` and `answer`.

    Raises `PromptError` for anything else, or more than `MOST_TURNS`.
    """
    if not isinstance(value, list) or not all(map(_is_turn, value)):
        raise PromptError(
            'the history is a list of earlier turns, oldest first, each {"prompt": TEXT, '
            '"answer": TEXT}'
        )
    if len(value) > MOST_TURNS:
        raise PromptError(
            f"a conversation has at most {MOST_TURNS} earlier turns, got {len(value)}; leave out "
            "the oldest"
        )
    return tuple(Turn(**turn) for turn in value)


def _is_turn(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == set(Turn._fields)
        and all(isinstance(text, str) for text in value.values())
    )
