"""Jobs and their results as bytes, for a recorder on another machine.

A message is a line of JSON, `{"value": ..., "parts": [lengths]}`, and then its parts: the values of
arrays, and runs as the `.npz` files that `Run.save` writes. Objects are built anew from the classes
listed here and from no others; nothing is pickled.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from explainer import errors
from explainer.errors import SightlineError
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.subjects import Span, Unsaid
from explainer.probing.correction import Correction
from explainer.probing.curves import CurvePlan, Readings
from explainer.probing.eagle_search import Found, SearchProgress, SearchSettings
from explainer.probing.region_plan import RegionAttribution, RegionPlan
from explainer.probing.regions import Region
from explainer.probing.tiling import Tiling
from explainer.recording.step import Step
from explainer.run import Run, Video
from explainer.run.geometry import Placement
from explainer.serving import jobs

MOST_BYTES = 1 << 30  # of a message, and of the memory of each run in it
MOST_LINE = 16 << 20  # bytes of its line of JSON
_KINDS = "biuf"  # of the arrays: truth values and numbers


class WireError(ValueError):
    """The bytes are no message, or one that is cut off or too large."""


@dataclass(frozen=True)
class JobEnd:
    """The last message of a job.

    Attributes:
        error: "" if all went well, else the class of the error.
        text: what it says to people.
    """

    error: str = ""
    text: str = ""

    @classmethod
    def of(cls, error: SightlineError) -> JobEnd:
        """Return the end of a job that failed with an error for people."""
        return cls(type(error).__name__, str(error))

    def raise_error(self) -> None:
        """Raise the error if there is one: `RuntimeError` if it is not meant for people."""
        if self.error:
            kind = getattr(errors, self.error, None)
            if isinstance(kind, type) and issubclass(kind, SightlineError):
                raise kind(self.text)
            raise RuntimeError(self.text)


_JOBS = (
    jobs.RecordJob,
    jobs.FollowUpJob,
    jobs.LayerBytesJob,
    jobs.ScalesJob,
    jobs.WordsJob,
    jobs.AnswerJob,
    jobs.EvidenceJob,
    jobs.SourcesJob,
    jobs.MapsJob,
    jobs.HidingJob,
    jobs.RegionsJob,
    jobs.CorrectionJob,
    jobs.CurvesJob,
)
_ARGUMENTS = (
    Video, jobs.MapRequest, Region, Placement, Span, Unsaid, RegionPlan, SearchSettings, Tiling,
    Heatmap, MapPart, CurvePlan,
)  # fmt: skip
_RESULTS = (Step, SearchProgress, RegionAttribution, Found, Correction, Readings, JobEnd)
_CLASSES: Mapping[str, Any] = {c.__name__: c for c in (*_JOBS, *_ARGUMENTS, *_RESULTS)}


# Writing -----------------------------------------------------------------------------------------


def encode(value: Any, known: Run | None = None) -> bytes:
    """Return the message of a job, or of an item that it yields.

    `known` is a run that the reader has, which is named instead of sent. Raises `TypeError` for
    what no message can hold.
    """
    writer = _Writer(known)
    line = {"value": writer.describe(value), "parts": [len(part) for part in writer.parts]}
    return b"".join([json.dumps(line).encode(), b"\n", *writer.parts])


class _Writer:
    def __init__(self, known: Run | None) -> None:
        self.parts: list[bytes] = []
        self._runs: dict[int, Any] = {} if known is None else {id(known): {"run": None}}

    def describe(self, value: Any) -> Any:
        """Return a value as JSON, appending to `parts` what JSON does not hold."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Run):
            return self._describe_run(value)
        if isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
            layout = {"dtype": value.dtype.str, "shape": list(value.shape)}
            return {"array": self._add(value.tobytes()), **layout}
        name = type(value).__name__
        if _CLASSES.get(name) is type(value):
            fields = {field: self.describe(getattr(value, field)) for field in _fields(type(value))}
            return {"class": name, "fields": fields}
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {"map": {key: self.describe(item) for key, item in value.items()}}
        if isinstance(value, list | tuple):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {kind: [self.describe(item) for item in value]}
        raise TypeError(f"no message holds a {name}")

    def _describe_run(self, run: Run) -> Any:
        if id(run) not in self._runs:
            file = io.BytesIO()
            run.save(file)
            self._runs[id(run)] = {"run": self._add(file.getvalue())}
        return self._runs[id(run)]

    def _add(self, part: bytes) -> int:
        self.parts.append(part)
        return len(self.parts) - 1


def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else kind._fields


# Reading -----------------------------------------------------------------------------------------


def decode(data: bytes) -> Any:
    """Return the value of one message; `WireError` for anything else."""
    values = list(read_messages([data]))
    if len(values) != 1:
        raise WireError(f"there are {len(values)} messages where one belongs")
    return values[0]


def read_messages(pieces: Iterable[bytes], known: Run | None = None) -> Iterator[Any]:
    """Yield the values of messages that follow each other, as soon as each is there.

    `known` is the run that they name and do not hold. Raises `WireError` for other bytes, and for
    messages above `MOST_BYTES`; `SightlineError` for values that their classes refuse.
    """
    source = _Source(pieces)
    while (line := source.read_line()) is not None:
        try:
            header = json.loads(line)
            lengths = [int(length) for length in header["parts"]]
            if min(lengths, default=0) < 0 or sum(lengths) > MOST_BYTES:
                raise WireError(f"a message of {sum(lengths):,} bytes is too large")
            parts = [source.read(length) for length in lengths]
            yield _Reader(parts, known).build(header["value"])
        except (WireError, SightlineError):
            raise
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise WireError("the bytes are no message") from error


class _Source:
    """Lines and parts from pieces of any size."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._held = iter(pieces), bytearray()

    def read_line(self) -> bytes | None:
        """Return the next line; None at the end."""
        seen = 0
        while (end := self._held.find(b"\n", seen)) < 0:
            seen = len(self._held)
            if seen > MOST_LINE:
                raise WireError(f"a line is longer than {MOST_LINE:,} bytes")
            if not self._fetch():
                if self._held:
                    raise WireError("a message is cut off")
                return None
        line = self._take(end + 1)
        return line[:-1]

    def read(self, size: int) -> bytes:
        """Return so many bytes."""
        while len(self._held) < size:
            if not self._fetch():
                raise WireError("a message is cut off")
        return self._take(size)

    def _fetch(self) -> bool:
        piece = next(self._pieces, None)
        self._held += piece or b""
        return piece is not None

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken


class _Reader:
    def __init__(self, parts: list[bytes], known: Run | None) -> None:
        self._parts, self._known = parts, known
        self._runs: dict[int, Run] = {}

    def build(self, part: Any) -> Any:
        """Return the value that JSON describes."""
        if not isinstance(part, dict):
            return part
        if "class" in part:
            named = {str(name): self.build(value) for name, value in part["fields"].items()}
            return _CLASSES[part["class"]](**named)
        if "array" in part:
            return self._build_array(part)
        if "run" in part:
            return self._build_run(part["run"])
        if "map" in part:
            return {str(key): self.build(value) for key, value in part["map"].items()}
        if "tuple" in part:
            return tuple(self.build(value) for value in part["tuple"])
        return [self.build(value) for value in part["list"]]

    def _build_array(self, part: Mapping[str, Any]) -> np.ndarray:
        dtype, shape = np.dtype(str(part["dtype"])), [int(n) for n in part["shape"]]
        data = self._parts[int(part["array"])]
        if dtype.kind not in _KINDS or min(shape, default=0) < 0:
            raise WireError(f"an array of {dtype} {shape} is none that a message holds")
        if math.prod(shape) * dtype.itemsize != len(data):
            raise WireError(f"an array of {dtype} {shape} has {len(data)} bytes")
        return np.frombuffer(data, dtype).reshape(shape).copy()

    def _build_run(self, part: int | None) -> Run:
        if part is None:
            if self._known is None:
                raise WireError("a message names a run that was not sent")
            return self._known
        if part not in self._runs:
            self._runs[part] = Run.load(io.BytesIO(self._parts[int(part)]), MOST_BYTES)
        return self._runs[part]
