"""The log as JSON lines that hold nothing of what visitors send or models answer.

A message is logged as the source has it, with "…" in place of its arguments, and an exception as
its class and the lines of code that it passed, without its text: arguments and texts of errors may
repeat prompts, words and file names. What may be known of an event is in its `fields`, which the
source passes as `extra={"fields": {...}}`.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from traceback import walk_tb
from typing import Any, TextIO

_ARGUMENT = re.compile(r"%(\(\w+\))?[-#0 +]*[\d.*]*[a-zA-Z]")


class JsonFormatter(logging.Formatter):
    """Format a record as one line of JSON: time (UTC), level, logger, message, fields, error."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _ARGUMENT.sub("…", record.msg) if isinstance(record.msg, str) else "",
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line |= _describe_error(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _describe_error(error: BaseException) -> dict[str, Any]:
    """Return the class of an error and the code it passed, innermost last."""
    frames = [(frame.f_code, line) for frame, line in walk_tb(error.__traceback__)]
    passed = [f"{Path(code.co_filename).name}:{line} {code.co_name}" for code, line in frames]
    return {"error": type(error).__name__, "at": passed}


def log_as_json(stream: TextIO) -> None:
    """Log everything as JSON lines from here on; of this package also what is informative."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("explainer").setLevel(logging.INFO)
    logging.captureWarnings(True)
