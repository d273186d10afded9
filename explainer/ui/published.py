"""Thumbnails, and scripts of folds, served by addresses that browsers may keep.

An address holds a hash of the content, so that a page which is started anew has the same ones.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from explainer.export import RGB
from explainer.web import payload
from explainer.web.scripts import FOLDS, fold_scripts

_FOLDER = "static/thumbnails"
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
_FILES: dict[str, bytes] = {}  # of all pages of this process, by address


def publish(pixels: RGB) -> str:
    """Return the address of the thumbnail of a picture, below that of the page."""
    content = payload.thumbnail(pixels)
    address = f"{_FOLDER}/{hashlib.sha256(content).hexdigest()[:16]}.jpg"
    _FILES[address] = content
    return address


def routes(folders: tuple[Path, ...]) -> list[Any]:
    """Return the routes that serve thumbnails, and the scripts of the folds in these folders."""
    _FILES.update({address: text.encode() for address, (_, text) in fold_scripts(folders).items()})
    return [
        Route(f"/{_FOLDER}/{{name}}", partial(_serve, _FOLDER, "image/jpeg")),
        Route(f"/{FOLDS}/{{name}}", partial(_serve, FOLDS, "text/javascript")),
    ]


async def _serve(folder: str, kind: str, request: Request) -> Response:
    content = _FILES.get(f"{folder}/{request.path_params['name']}")
    if content is None:
        return Response(status_code=404)
    return Response(content, media_type=kind, headers=_KEPT)
