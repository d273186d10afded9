"""What programs can ask of the section: /sources."""

from __future__ import annotations

from typing import TypedDict

from explainer.methods.subjects import read_words
from explainer.probing.sources import describe_sources, word_sources
from explainer.run import Run
from explainer.ui.handlers import Handlers
from explainer.web import controls


class SourcedWord(TypedDict):
    """A word of the answer: its tokens, its probabilities, and the share of each source.

    `shown` is its probability with everything in reach, `without` that without each source; there
    are no shares where it loses next to nothing.
    """

    text: str
    tokens: list[int]
    shown: float
    without: dict[str, float]
    shares: dict[str, float] | None


class AnswerSources(TypedDict):
    """What an answer rests on, in a sentence, and each of its words."""

    sentence: str
    words: list[SourcedWord]


class SourcesEndpoint:
    """The endpoint /sources."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def sources(self, run: str) -> AnswerSources:
        """Return what each word of an answer rests on: the picture, the prompt, or earlier words.

        The model reads the answer once more, in one batch, with each of them out of reach.

        Args:
            run: as /record returned it
        """
        found = self._handlers.with_sources(controls.read_run({"run": run}))
        return {"sentence": describe_sources(found), "words": _words(found)}


def _words(run: Run) -> list[SourcedWord]:
    found: list[SourcedWord] = []
    for word in read_words(run):
        rests = word_sources(run, word.tokens)
        if rests is not None:
            found.append(
                {
                    "text": word.text,
                    "tokens": list(map(int, word.tokens)),
                    "shown": rests.shown,
                    "without": dict(rests.without),
                    "shares": rests.shares,
                }
            )
    return found
