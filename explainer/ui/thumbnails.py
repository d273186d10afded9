"""Thumbnails of examples and recorded answers, served by addresses that browsers may keep.

An address holds a hash of the content, so that a page which is started anew has the same ones.
"""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from explainer.export import RGB
from explainer.web import payload

_FOLDER = "static/thumbnails"
_FILES: dict[str, bytes] = {}  # of all pages of this process, by name


def publish(pixels: RGB) -> str:
    """Return the address of the thumbnail of a picture, below that of the page."""
    content = payload.thumbnail(pixels)
    name = f"{hashlib.sha256(content).hexdigest()[:16]}.jpg"
    _FILES[name] = content
    return f"{_FOLDER}/{name}"


def routes() -> list[Any]:
    """Return the route that serves them."""
    return [Route(f"/{_FOLDER}/{{name}}", _serve)]


async def _serve(request: Request) -> Response:
    content = _FILES.get(request.path_params["name"])
    if content is None:
        return Response(status_code=404)
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, media_type="image/jpeg", headers=kept)
