"""What the web server answers at all: the addresses that the page and programs use.

Bodies have a bounded size, and errors that Gradio does not handle become sentences.

Gradio serves more than this page needs: it fetches any public address for a visitor, keeps copies
of sessions, takes recordings. What is not listed here is answered as if it did not exist.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

from explainer.errors import SightlineError
from explainer.ui.doors import Refused
from explainer.ui.health import respond
from explainer.ui.upload_lane import UploadLane
from explainer.ui.uploads import Uploads
from explainer.web import texts

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_BODY = 4_000_000  # bytes of a request
MOST_UPLOAD = 256_000_000  # bytes of all files of one upload
MOST_MCP = 28_000_000  # agents send pictures inside of the request, as base64

_FILE = "/gradio_api/file="
_UPLOAD = "/gradio_api/upload"
_MCP = "/gradio_api/mcp"
_OPEN = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|pwa_icon(/\d+)?)/?"
    r"|/(assets|static|svelte)/.+"
    r"|/gradio_api/(info|openapi\.json|login_check|app_id|startup-events|theme\.css"
    r"|upload|upload_progress|queue/(join|data|status)|component_server|cancel|reset)/?"
    r"|/gradio_api/(call|run|api|heartbeat)/.+"
    r"|/gradio_api/file=.+"
    r"|/gradio_api/mcp(/.*)?",
    re.DOTALL,
)


class Gate:
    """ASGI middleware around all routes of the page."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app, self.uploading = app, UploadLane()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with a sentence."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        blocks = scope["app"].get_blocks()
        report = respond(_route(scope), blocks.status)
        if report is not None:
            await report(scope, receive, send)
            return
        refusal = refuse(scope, blocks.uploads)
        if refusal is not None:
            blocks.status.calls.metrics.count_refusal("request")
            await refusal(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            if _route(scope).rstrip("/") == _UPLOAD:
                address, nbytes = (scope.get("client") or ("",))[0], _stated_bytes(scope)
                async with self.uploading.room(address, nbytes):
                    received = _bounded(self.uploading.impatient(receive), MOST_UPLOAD)
                    await self._app(scope, received, answer.send)
            else:
                await self._app(scope, _bounded(receive, most_bytes(scope)), answer.send)
        except Exception as error:
            blocks.status.calls.metrics.count_refusal("request")
            refusal = _explain(error, scope["path"])
            if not answer.begun:
                await refusal(scope, receive, send)


class _Answer:
    """Passes on an answer and notes whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self.begun = send, False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.begun = True
        await self._send(message)


def refuse(scope: Scope, uploads: Uploads) -> JSONResponse | None:
    """Return the refusal of a request by its address and stated length, None to answer it."""
    path = _route(scope)
    if not _OPEN.fullmatch(path):
        return _said(404, texts.NO_SUCH_ADDRESS)
    if path.startswith(_FILE):
        try:
            uploads.find(path.removeprefix(_FILE))
        except Refused as error:
            return _said(403, str(error))
    if path.rstrip("/") == _UPLOAD:
        try:
            uploads.check_room()
        except Refused as error:
            return _said(503, str(error))
    if _stated_bytes(scope) > most_bytes(scope):
        return _said(413, texts.LONG_BODY.format(most=most_bytes(scope) // 1_000_000))
    return None


def most_bytes(scope: Scope) -> int:
    """Return how many bytes the body of a request may have."""
    path = _route(scope)
    if path.rstrip("/") == _UPLOAD:
        return MOST_UPLOAD
    return MOST_MCP if path.startswith(_MCP) else MOST_BODY


def _stated_bytes(scope: Scope) -> int:
    """Return the length of the body that a request states, the most that it may have if none."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    return int(length) if length.isdigit() else most_bytes(scope)


def _route(scope: Scope) -> str:
    """Return the path below the address that the page is served at."""
    return scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")) or "/"


def _bounded(receive: Receive, most: int) -> Receive:
    """Return a function that receives at most so many bytes, whatever length was stated."""
    count = 0

    async def received() -> MutableMapping[str, Any]:
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        if count > most:
            raise Refused(texts.LONG_BODY.format(most=most // 1_000_000))
        return message

    return received


def _explain(error: Exception, path: str) -> JSONResponse:
    """Return what an error that nobody caught means to the client; logs it.

    Gradio looks up names and numbers from the request, and counts its fields, without checks of
    its own: such an error is the client's.
    """
    if isinstance(error, SightlineError):
        log.warning("%r: refused: %s", path[:80], error)
        return _said(400, str(error))
    if isinstance(error, KeyError) or type(error).__name__ == "FnIndexInferError":
        log.warning("%r: refused: nothing of that name", path[:80])
        return _said(404, texts.NO_SUCH_NAME)
    if isinstance(error, (TypeError, ValueError, AttributeError, RecursionError)):
        log.warning("%r: refused: %s", path[:80], type(error).__name__)
        log.debug("a request that cannot be read", exc_info=error)
        return _said(400, texts.BAD_INPUTS)
    log.exception("unexpected error", exc_info=error)
    return _said(500, texts.BROKEN)


def _said(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status)
