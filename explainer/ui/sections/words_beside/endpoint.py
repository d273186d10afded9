"""What programs can ask of the section: /tokens."""

from __future__ import annotations

from typing import TypedDict

from explainer.methods.subjects import Span, candidates, probability
from explainer.run import Run
from explainer.ui.api_common import (
    ChipRecord,
    RunReader,
    describe_chip,
    read_whole,
    shown_chips,
)
from explainer.ui.handlers import Handlers

MOST_CANDIDATES = 100


class CandidateToken(TypedDict):
    """A token that the model could have said at this place."""

    id: int
    text: str
    probability: float


class TokenCandidates(TypedDict):
    """One token of a chip, with what else the model held probable there, best first."""

    token: int
    id: int
    text: str
    probability: float | None
    candidates: list[CandidateToken]


class ChipTokens(ChipRecord):
    """A chip with its tokens; mostly one."""

    tokens: list[TokenCandidates]


class RunTokens(TypedDict):
    """The tokens of a recorded answer."""

    run: str
    model: str
    prompt: str
    answer: str
    chips: list[ChipTokens]


class TokensEndpoint:
    """The endpoint /tokens."""

    def __init__(self, handlers: Handlers) -> None:
        self._reader = RunReader(handlers)

    def tokens(self, run: str, top: int = 5) -> RunTokens:
        """Return the tokens of a recorded run, with what the model could have said instead.

        Args:
            run: as /record returned it
            top: how many candidates of each token, 0 to 100; a run holds about 30 of an answer
        """
        found = self._reader.run(run)
        top = read_whole(top, "top", 0, MOST_CANDIDATES)
        chips: list[ChipTokens] = [
            {
                **describe_chip(found, i),
                "tokens": [_token(found, t, top) for t in found.chips[i].tokens],
            }
            for i in shown_chips(found)
        ]
        return {
            "run": run,
            "model": found.model_id,
            "prompt": found.prompt,
            "answer": found.answer,
            "chips": chips,
        }


def _token(run: Run, token: int, top: int) -> TokenCandidates:
    return {
        "token": token,
        "id": int(run.tokens.ids[token]),
        "text": run.tokens.texts[token],
        "probability": probability(run, Span((token,))),
        "candidates": [
            {"id": c.token_id, "text": c.text, "probability": c.probability}
            for c in candidates(run, token)[:top]
        ],
    }
