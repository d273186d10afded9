"""The Blocks of the page, which check every value before anything reads it.

They also look after every uploaded file, and turn Gradio's tracebacks about a request into
sentences.
"""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr
from anyio import CapacityLimiter, to_thread

from explainer.errors import SightlineError
from explainer.heap import trim_heap
from explainer.serving.status import ServerStatus
from explainer.ui.doors import check_value
from explainer.ui.uploads import Uploads, paths_in
from explainer.web import texts

log = logging.getLogger(__name__)

MOST_THREADS = 40


class GuardedBlocks(gr.Blocks):
    """Blocks that check all inputs of all their functions, whichever way they come.

    Args:
        uploads: looks after the files that visitors send and are sent.
        status: of the server.
        props: as `gr.Blocks` takes them.
    """

    def __init__(self, uploads: Uploads, status: ServerStatus, **props: Any) -> None:
        super().__init__(**props)
        self.uploads, self.status = uploads, status
        uploads.waiting = self._waiting

    def create_limiter(self) -> None:
        """Bound the threads for functions that Gradio runs in one: few, as they are quick."""
        self.limiter = CapacityLimiter(MOST_THREADS)

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        """Return the inputs as the function takes them; errors are sentences, in one line of log.

        A function that raises is not meant here: this is what Gradio does before it is called.
        """
        try:
            checked = [check_value(value, self.uploads.find) for value in inputs]
            return await super().preprocess_data(block_fn, checked, state, explicit_call)
        except gr.Error as error:
            sentence = error.message
        except SightlineError as error:
            sentence = str(error)
        except Exception as error:  # Gradio and pydantic raise all sorts of things on odd inputs
            log.debug("inputs that cannot be read", exc_info=error)
            sentence = texts.BAD_INPUTS
        self.status.calls.metrics.count_refusal("input")
        log.warning("%s: refused: %s", block_fn.api_name, sentence)
        raise gr.Error(sentence, print_exception=False)

    async def process_api(self, block_fn: Any, inputs: list[Any], *rest: Any, **named: Any) -> Any:
        """Return what a function answers; its files stay as long as it works."""
        with self.uploads.using(paths_in(inputs)):
            answer = await super().process_api(block_fn, inputs, *rest, **named)
        if self.uploads.due:
            self._forget_ended()
            await to_thread.run_sync(self.uploads.sweep)
            await to_thread.run_sync(trim_heap)
        return answer

    def _forget_ended(self) -> None:
        """Drop the message queues of sessions whose events have all been told to their callers.

        Gradio keeps 2,000 of them, 4 kB each, and the set of events of each session for ever;
        every call of a program is a session. A new event makes both anew. To be called in the
        event loop, where no other step comes between the two.
        """
        events = self._queue.pending_event_ids_session
        messages = self._queue.pending_messages_per_session
        for session in [session for session, left in events.items() if not left]:
            del events[session]
            messages.pop(session, None)

    def _waiting(self) -> list[str]:
        """Return the paths in requests that wait in Gradio's queue."""
        queues = list(self._queue.event_queue_per_concurrency_id.values())
        events = [event for queue in queues for event in list(queue.queue) if event.data]
        return [path for event in events for path in paths_in(event.data.data)]
