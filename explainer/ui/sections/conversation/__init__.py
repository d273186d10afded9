"""Conversation: further questions about the same picture, after what was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from explainer.errors import PromptError
from explainer.run.conversation import continued
from explainer.ui.components import Drawn
from explainer.ui.handlers import NOTHING, PageUpdate
from explainer.ui.section import Page, Recording, Section, Slot
from explainer.ui.sections.conversation import words
from explainer.ui.sides import PLUMBING
from explainer.web import controls, payload, texts
from explainer.web.calls import FollowUpCall, read_call
from explainer.web.messages import Value, busy, failed, said


class FollowUpFold(Drawn):
    """The field for a further question, folded. Value from the page: `FollowUpCall`.

    Events: ask, anew.
    """

    MODULE = "conversation"
    TEMPLATE = '<details class="sl-fold sl-further"></details>'
    TRIGGERS = ("ask", "anew")


class ConversationSection(Section):
    """A fold below the chips, in which a conversation goes on."""

    def place(self, slot: Slot) -> None:
        """Make the fold."""
        if slot is Slot.WORDS:
            self.fold = FollowUpFold(None, elem_id="sl-further", words=words.FOLD)

    def wire(self, page: Page) -> None:
        """Connect starting anew: the answer goes, and the picture stays."""
        self.fold.anew(
            lambda: (payload.empty_bar(), said("", "")),
            None,
            [page.see.bar, page.see.view],
            **PLUMBING,
        )

    def recordings(self) -> Sequence[Recording]:
        """Return asking further."""
        return (Recording("further", self.fold.ask, self.ask, self.fold, self.fold),)

    def ask(
        self,
        message: Any,
        previous: Any,
        max_new_tokens: Any,
        temperature: Any,
        seed: Any,
        layers: Any,
        repetition_penalty: Any = None,
    ) -> Iterator[PageUpdate]:
        """Yield what the page shows while the model answers, and then the chips of all turns.

        On an error the chips of before come back.

        Args:
            message: {run, prompt} as the page's script sends it.
            previous: {run, subject}, what to come back to.
        """
        handlers = self.server.handlers
        kept: Value = NOTHING
        try:
            call = read_call(FollowUpCall, message)
            if not call.prompt.strip():
                raise PromptError(words.EMPTY)
            decoding = controls.read_decoding(
                max_new_tokens, temperature, seed, None, repetition_penalty
            )
            run = handlers.run(call.run)
            steps = handlers.follow_up(call.run, call.prompt, decoding)
            kept = handlers.restored(previous)
            thread = payload.conversation_thread(continued(run), call.prompt)
            yield PageUpdate(payload.live_bar([], thread), busy(texts.BUSY_READING))
            yield from handlers.follow(steps, thread)
        except Exception as error:
            yield PageUpdate(kept, failed(error))
