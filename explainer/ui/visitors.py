"""Calls as Gradio brings them: who asks, whether they are still there, and what they are told.

`Visits` turns handlers into functions for Gradio that wait without a thread. Whatever route a call
takes (the queue, a direct request, an agent), it comes through the same function.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial, wraps
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from gradio.server_messages import EstimationMessage

from explainer.serving.calls import Calls, Client, Left, Waiting
from explainer.serving.lanes import Caller, QueuePlace
from explainer.web import texts
from explainer.web.messages import busy

Show = Callable[..., Any]  # (message, *inputs of the handler) -> values of its outputs


class Visits:
    """Makes functions for Gradio out of handlers that may ask a model."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def served(
        self, handler: Callable[..., Any], show: Show | None = None, slow: bool = False
    ) -> Callable[..., Any]:
        """Return the function that Gradio calls in place of a handler.

        Args:
            handler: a function, or a generator function whose values the page shows one by one.
            show: makes outputs of a message {"busy"} for those who wait; None where no outputs
                come before the last.
            slow: whether it takes long even without the model.
        """
        if inspect.isgeneratorfunction(inspect.unwrap(handler)):
            return _like(handler, self._streamed(handler, show))
        return _like(handler, self._answered(handler, slow))

    def _streamed(self, handler: Callable[..., Any], show: Show | None) -> Callable[..., Any]:
        async def streamed(*values: Any) -> AsyncIterator[Any]:
            shown = None if show is None else partial(_show_wait, show, values)
            steps = self._calls.values(handler, values, client(), shown)
            try:
                async for value in steps:
                    yield value
            except Left:
                return
            finally:
                await steps.aclose()

        return streamed

    def _answered(self, handler: Callable[..., Any], slow: bool) -> Callable[..., Any]:
        async def answered(*values: Any) -> Any:
            try:
                steps = self._calls.values(handler, values, client(), slow=slow)
                async for value in steps:
                    return value
            except Left:
                pass
            raise gr.Error(texts.LEFT, print_exception=False)

        return answered


def _show_wait(show: Show, values: tuple[Any, ...], waiting: Waiting) -> Any:
    """Return what those who wait are shown."""
    return show(busy(texts.waiting(waiting)), *values)


def _like(handler: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function under the handler's name and signature, which Gradio reads."""
    named = wraps(handler)(function)
    del named.__wrapped__  # Gradio would take the handler's kind for the function's
    signature = inspect.signature(handler, eval_str=True)
    named.__signature__ = signature  # type: ignore[attr-defined]
    types = {name: p.annotation for name, p in signature.parameters.items()}
    types["return"] = signature.return_annotation
    named.__annotations__ = {k: v for k, v in types.items() if v is not inspect.Signature.empty}
    return named


def client() -> Client:
    """Return who has made the call that is being served."""
    request, event_id = LocalContext.request.get(), LocalContext.event_id.get()
    address = getattr(getattr(request, "client", None), "host", None) or ""
    visitor = getattr(request, "session_hash", None) or event_id or address
    queue = LocalContext.blocks.get()._queue
    event = queue.event_ids_to_events.get(event_id) if event_id else None

    async def is_here() -> bool:
        return event.alive if event is not None else not await _gone(request)

    def hear(place: QueuePlace) -> None:
        if event is not None:
            estimate = EstimationMessage(
                rank=place.before, rank_eta=place.seconds, queue_size=place.before + 1
            )
            queue.send_message(event, estimate)

    return Client(Caller(visitor, address), is_here, hear)


def _gone(request: gr.Request | None) -> Awaitable[bool]:
    """Return whether the connection of a direct request is closed."""
    raw = getattr(request, "request", None)
    if raw is None:
        return _never()
    return raw.is_disconnected()


async def _never() -> bool:
    return False
