"""What could have stood in place of a word, and answers that a person edits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from explainer.ui.handlers import Handlers, PageUpdate
from explainer.web import payload, texts
from explainer.web.calls import AnswerCall, RunCall, TypedCall, read_call
from explainer.web.messages import (
    TypedWord,
    Value,
    WordPlaces,
    busy,
    failed,
    said,
)
from explainer.web.subjects import lacking, read_subject
from explainer.web.words_beside import BUSY_GIVEN, places


class WordsHandler:
    """The events of the row beside the chips, for the runs and models of `handlers`."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def places(self, asked: Any) -> Value:
        """Return what each chip of the run has beside it, as `place` gives it, and the answer.

        Args:
            asked: {run} as the page's script sends it.
        """
        try:
            key = read_call(RunCall, asked).run
            run = self._handlers.run(key)
            return WordPlaces(run=key, answer=run.answer.strip(), places=places(run)).as_json()
        except Exception as error:
            return failed(error)

    def bring(self, asked: Any) -> Iterator[Value]:
        """Yield messages while a typed word is brought, and then its subject.

        Args:
            asked: {run, at, word}: the word in place of token `at`.
        """
        key = asked.get("run") if isinstance(asked, Mapping) else None
        try:
            call = read_call(TypedCall, asked)
            run, typed = self._handlers.run(call.run), {"at": call.at, "word": call.word}
            if lacks := lacking(run, typed):
                yield {"run": key, **busy(texts.BUSY_WORD)}
                run = self._handlers.with_words(call.run, lacks)
            ids = list(read_subject(run, typed).ids)
            yield TypedWord(run=call.run, subject={"at": call.at, "ids": ids}).as_json()
        except Exception as error:
            yield {"run": key, **failed(error)}

    def edited(self, asked: Any) -> Iterator[PageUpdate]:
        """Yield what the page shows while an edited answer is read, and then its chips.

        Args:
            asked: {run, answer}. On an error the chips stay as they are.
        """
        try:
            call = read_call(AnswerCall, asked)
            yield PageUpdate({}, busy(BUSY_GIVEN))
            run, key = self._handlers.read_answer(call.run, call.answer)
            yield PageUpdate(payload.bar(run, key), said("", ""), payload.picture(run, key))
        except Exception as error:
            yield PageUpdate({}, failed(error))
