"""What the page computes maps from, each by an address of its own: the modules of the methods, once
for all runs, and the evidence of a run, for whoever holds its key."""

from __future__ import annotations

import gzip
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from explainer.errors import RunError, SightlineError
from explainer.methods.subjects import Unsaid
from explainer.run import Run
from explainer.ui.maps import stored
from explainer.web import controls, texts
from explainer.web.evidence_message import evidence_message, word_message
from explainer.web.live import methods_module
from explainer.web.subjects import at_layer, read_subject

RUNS, MODULES = "static/evidence", "static/methods"
_QUICK = 4  # level of compression: 5 % larger than the best, in a quarter of the time


def module_address() -> str:
    """Return the address of the modules of the methods, below that of the page."""
    return f"{MODULES}/{methods_module().name}"


def routes() -> list[Any]:
    """Return the routes that serve both."""
    return [Route(f"/{MODULES}/{{name}}", _module), Route(f"/{RUNS}/{{run}}", _evidence)]


def message_of(run: Run, subject: Any) -> bytes:
    """Return the evidence of a run at the layer that a subject names; that of one more word if the
    subject is a word that was not said.

    Args:
        run: as it is stored.
        subject: as the page writes it, see `read_subject`; None for the run at its last layer.
    """
    looked = run if subject is None else at_layer(run, subject)
    if not isinstance(subject, dict) or "at" not in subject:
        return evidence_message(looked)
    word = read_subject(looked, subject)
    if not isinstance(word, Unsaid):
        raise RunError(texts.BAD_REQUEST)
    return word_message(looked, word)


def _module(request: Request) -> Response:
    module = methods_module()
    if request.path_params["name"] != module.name:
        return JSONResponse({"detail": texts.NO_SUCH_ADDRESS}, 404)
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return _compressed(request, module.text.encode(), "text/javascript", kept)


def _evidence(request: Request) -> Response:
    store = request.app.get_blocks().status.store
    try:
        run = stored(store, controls.read_run(request.path_params))
        message = message_of(run, _subject(request.query_params.get("subject")))
    except SightlineError as error:
        return JSONResponse({"detail": texts.in_words(error)}, 404)
    private = {"Cache-Control": "private, no-store"}  # the address is a permission
    return _compressed(request, message, "application/octet-stream", private)


def _subject(written: str | None) -> Any:
    if written is None:
        return None
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        raise RunError(texts.BAD_REQUEST) from None


def _compressed(request: Request, content: bytes, kind: str, headers: dict[str, str]) -> Response:
    headers = {**headers, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = gzip.compress(content, _QUICK), "gzip"
    return Response(content, media_type=kind, headers=headers)
