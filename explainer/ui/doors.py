"""The checks that every value from outside passes before a component or a handler reads it.

`Page` applies them to the inputs of all its functions (page events, API, MCP), and `components` to
all functions that scripts call on the server. A new input therefore cannot skip them.

A file is named by its path in the upload folder, where it lies below a folder that Gradio calls
after a hash of the content and of a secret: whoever knows the path has uploaded the file, or was
shown it. No other path is opened.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
from anyio import CapacityLimiter
from gradio.utils import get_upload_folder

from explainer.errors import SightlineError
from explainer.web import texts

log = logging.getLogger(__name__)

MOST_THREADS = 40
LONGEST_TEXT = 200_000  # characters of one text; a page that is sent back is shorter
DEEPEST = 32  # values inside of values
_FOLDER = re.compile(r"[0-9a-f]{64}")


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


def check_value(value: Any, depth: int = 0) -> Any:
    """Return a JSON value from outside with every file in it reduced to its checked path.

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
            return _check_file(value)
        return {key: check_value(part, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [check_value(part, depth + 1) for part in value]
    return value


def _check_file(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of a file with its path and name alone: addresses in it are not fetched."""
    name = value.get("orig_name")
    return {
        "path": str(uploaded_file(value.get("path"))),
        "orig_name": name if isinstance(name, str) else None,
        "meta": {"_type": "gradio.FileData"},
    }


def guard(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that scripts call on the server, with its argument checked first."""

    @wraps(function)
    def guarded(value: Any) -> Any:
        return function(check_value(value))

    return guarded


class Page(gr.Blocks):
    """Blocks that check all inputs of all their functions, whichever way they come."""

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
            checked = [check_value(value) for value in inputs]
            return await super().preprocess_data(block_fn, checked, state, explicit_call)
        except gr.Error as error:
            sentence = error.message
        except SightlineError as error:
            sentence = str(error)
        except Exception as error:  # Gradio and pydantic raise all sorts of things on odd inputs
            log.debug("inputs that cannot be read", exc_info=error)
            sentence = texts.BAD_INPUTS
        log.warning("%s: refused: %s", block_fn.api_name, sentence)
        raise gr.Error(sentence, print_exception=False)
