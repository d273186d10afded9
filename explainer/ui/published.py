"""Thumbnails, scripts of folds and the modules of the methods, by addresses that browsers keep.

An address holds a hash of the content, so that a page which is started anew has the same ones.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from explainer.export import RGB
from explainer.web import payload, texts
from explainer.web.live import methods_module
from explainer.web.scripts import FOLDS, fold_scripts

_FOLDER, _MODULES = "static/thumbnails", "static/methods"
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
_FILES: dict[str, bytes] = {}  # of all pages of this process, by address


def publish(pixels: RGB) -> str:
    """Return the address of the thumbnail of a picture, below that of the page."""
    content = payload.thumbnail(pixels)
    address = f"{_FOLDER}/{hashlib.sha256(content).hexdigest()[:16]}.jpg"
    _FILES[address] = content
    return address


def module_address() -> str:
    """Return the address of the modules of the methods, below that of the page."""
    module = methods_module()
    address = f"{_MODULES}/{module.name}"
    _FILES[address] = module.text.encode()
    return address


def routes(folders: tuple[Path, ...]) -> list[Any]:
    """Return the routes that serve all this, with the scripts of the folds in these folders."""
    _FILES.update({address: text.encode() for address, (_, text) in fold_scripts(folders).items()})
    return [
        Route(f"/{_FOLDER}/{{name}}", partial(_serve, _FOLDER, "image/jpeg")),
        *(
            Route(f"/{folder}/{{name}}", partial(_serve, folder, "text/javascript"))
            for folder in (FOLDS, _MODULES)
        ),
    ]


async def _serve(folder: str, kind: str, request: Request) -> Response:
    content = _FILES.get(f"{folder}/{request.path_params['name']}")
    if content is None:
        return JSONResponse({"detail": texts.NO_SUCH_ADDRESS}, 404)
    if kind == "image/jpeg":
        return Response(content, media_type=kind, headers=_KEPT)
    return compressed(request, content, kind, _KEPT, _squeeze)


def compressed(
    request: Request,
    content: bytes,
    kind: str,
    headers: Mapping[str, str],
    squeeze: Callable[[bytes], bytes],
) -> Response:
    """Return a response that is compressed by a function if the browser takes gzip."""
    sent = {**headers, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, sent["Content-Encoding"] = squeeze(content), "gzip"
    return Response(content, media_type=kind, headers=sent)


@cache
def _squeeze(content: bytes) -> bytes:
    """Return what stays the same for all visitors, compressed once."""
    return gzip.compress(content)
