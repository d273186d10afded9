"""The checks that every value from outside passes before a component or a handler reads it.

`GuardedBlocks` applies them to the inputs of all its functions (page events, API, MCP), and
`components` to all functions that scripts call on the server. A new input cannot skip them.

A file is named by its path in the upload folder, where it lies below a folder that Gradio calls
after a hash of the content and of a secret: whoever knows the path has uploaded the file, or was
shown it. No other path is opened. The secret is drawn when the program starts; Gradio's own lies in
its package for years, and is the same in all copies of an image of a container.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from gradio import processing_utils
from gradio.utils import get_upload_folder

from explainer.errors import SightlineError
from explainer.web import texts

LONGEST_TEXT = 200_000  # characters of one text; a page that is sent back is shorter
DEEPEST = 32  # values inside of values
_FOLDER = re.compile(r"[0-9a-f]{64}")

processing_utils.hash_seed = secrets.token_bytes(32)


class Refused(SightlineError):
    """A value from outside has a form that no input takes."""


def upload_folder() -> Path:
    """Return the folder of uploads and of files made for visitors, with links resolved."""
    return Path(get_upload_folder()).resolve()


def uploaded_file(path: Any) -> Path:
    """Return the resolved path of a file in the upload folder.

    Raises `Refused` for any other path, with a sentence that does not depend on whether the path
    exists and does not repeat it.
    """
    folder = upload_folder()
    try:
        found = Path(path).resolve(strict=True)
        inside = Path(path).is_absolute() and found.parent.parent == folder and found.is_file()
    except (TypeError, ValueError, OSError, RuntimeError):  # no text, NUL, missing, a loop of links
        inside = False
    if not inside or not _FOLDER.fullmatch(found.parent.name):
        raise Refused(texts.NO_UPLOAD)
    return found


def check_value(value: Any, find: Callable[[Any], Path] = uploaded_file, depth: int = 0) -> Any:
    """Return a checked JSON value from outside; files in it become the paths that `find` returns.

    Raises `Refused` for paths outside of the upload folder, numbers that are not finite, texts
    longer than `LONGEST_TEXT` and values nested deeper than `DEEPEST`.
    """
    if depth > DEEPEST:
        raise Refused(texts.BAD_FORM)
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise Refused(texts.LONG_TEXT.format(most=LONGEST_TEXT))
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(texts.NOT_FINITE)
    if isinstance(value, Mapping):
        if "path" in value or "url" in value:
            return _check_file(value, find)
        return {key: check_value(part, find, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [check_value(part, find, depth + 1) for part in value]
    return value


def _check_file(value: Mapping[str, Any], find: Callable[[Any], Path]) -> dict[str, Any]:
    """Return the value of a file with its path and name alone: addresses in it are not fetched."""
    name = value.get("orig_name")
    return {
        "path": str(find(value.get("path"))),
        "orig_name": name if isinstance(name, str) else None,
        "meta": {"_type": "gradio.FileData"},
    }


def guard(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that scripts call on the server, with its argument checked first."""

    @wraps(function)
    def guarded(value: Any) -> Any:
        return function(check_value(value))

    return guarded
