"""What could have stood in place of a word, and answers that a person edits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from explainer.methods.subjects import unsaid
from explainer.ui.handlers import Handlers, PageUpdate
from explainer.web import payload, texts
from explainer.web.calls import AnswerCall, Explained, RunCall, TypedCall, read_call
from explainer.web.messages import (
    TypedWord,
    Value,
    WordPlaces,
    busy,
    failed,
    said,
)
from explainer.web.subjects import check_word, lacking
from explainer.web.words_beside import BUSY_GIVEN, places


class WordsHandler:
    """The events of the row beside the chips, for the runs and models of `handlers`."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def places(self, message: Any) -> Value:
        """Return `WordPlaces`: what could have stood in place of each chip, and the answer.

        Args:
            message: a `RunCall`.
        """
        try:
            key = read_call(RunCall, message).run
            run = self._handlers.run(key)
            return WordPlaces(run=key, answer=run.answer.strip(), places=places(run)).as_json()
        except Exception as error:
            return failed(error)

    def bring(self, message: Any) -> Iterator[Value]:
        """Yield messages while the model looks up a typed word, and then its subject.

        Args:
            message: a `TypedCall`.
        """
        key = message.get("run") if isinstance(message, Mapping) else None
        try:
            call = read_call(TypedCall, message)
            check_word(call.word)
            run, typed = self._handlers.run(call.run), Explained(at=call.at, word=call.word)
            if lacks := lacking(run, typed):
                yield {"run": key, **busy(texts.BUSY_WORD)}
                run = self._handlers.with_words(call.run, lacks)
            ids = list(unsaid(run, call.at, call.word).ids)
            yield TypedWord(run=call.run, subject=Explained(at=call.at, ids=ids)).as_json()
        except Exception as error:
            yield {"run": key, **failed(error)}

    def edited(self, message: Any) -> Iterator[PageUpdate]:
        """Yield what the page shows while an edited answer is read, and then its chips.

        On an error the chips stay as they are.

        Args:
            message: an `AnswerCall`.
        """
        try:
            call = read_call(AnswerCall, message)
            yield PageUpdate({}, busy(BUSY_GIVEN))
            run, key = self._handlers.read_answer(call.run, call.answer)
            yield PageUpdate(payload.bar(run, key), said("", ""), payload.picture(run, key))
        except Exception as error:
            yield PageUpdate({}, failed(error))
