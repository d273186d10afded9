"""The evidence of a run, which the page computes maps from, for whoever holds the run's key."""

from __future__ import annotations

import gzip
import json
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from explainer.errors import RunError, SightlineError
from explainer.methods.subjects import Unsaid
from explainer.run import Run
from explainer.ui.maps import stored
from explainer.ui.published import compressed
from explainer.web import controls, texts
from explainer.web.calls import Explained, read_call
from explainer.web.evidence_message import evidence_message, word_message
from explainer.web.subjects import at_layer, read_subject

RUNS = "static/evidence"
_QUICK = 4  # level of compression: 5 % larger than the best, in a quarter of the time


def routes() -> list[Any]:
    """Return the route that serves evidence."""
    return [Route(f"/{RUNS}/{{run}}", _evidence)]


def message_of(run: Run, subject: Any) -> bytes:
    """Return the evidence of a run, or of one more word if the subject was not said.

    The evidence is that of the layer which the subject names.

    Args:
        run: as it is stored.
        subject: an `Explained` or its JSON; None for the run at its last layer.
    """
    looked = run if subject is None else at_layer(run, subject)
    if subject is None or read_call(Explained, subject).at is None:
        return evidence_message(looked)
    word = read_subject(looked, subject)
    if not isinstance(word, Unsaid):
        raise RunError(texts.BAD_REQUEST)
    return word_message(looked, word)


def _evidence(request: Request) -> Response:
    store = request.app.get_blocks().status.store
    try:
        run = stored(store, controls.read_run(request.path_params))
        message = message_of(run, _subject(request.query_params.get("subject")))
    except SightlineError as error:
        return JSONResponse({"detail": texts.in_words(error)}, 404)
    private = {"Cache-Control": "private, no-store"}  # the address is a permission
    squeeze = partial(gzip.compress, compresslevel=_QUICK)
    return compressed(request, message, "application/octet-stream", private, squeeze)


def _subject(written: str | None) -> Any:
    if written is None:
        return None
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        raise RunError(texts.BAD_REQUEST) from None
