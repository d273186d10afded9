"""What the scripts of the page send, each declared once, and checked by `read_call`."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explainer.errors import RunError
from explainer.web import texts

LONGEST_ID = 64  # characters of a run's key
LONGEST_ANSWER = 20_000
LONGEST_PARAMETER = 2000  # characters: the page sends its address with each request


class PageCall(BaseModel):
    """What a script of the page sends. Other fields are ignored, and nothing is converted."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class RunCall(PageCall):
    """About a run that the server keeps."""

    run: Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]


class SubjectCall(RunCall):
    """About what is explained; `web/subjects.py` reads the subject."""

    subject: Any = None


class MapCall(SubjectCall):
    """About maps at the settings of both panels, which `web/controls.py` reads."""

    panel: Any = None
    options: Any = None


BoxShares = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=4, max_length=4)]


class HidingCall(MapCall):
    """Hide what a map shows, or a box as shares of the picture's width and height."""

    method: str
    image: Annotated[int, Field(ge=0)]
    how: str
    fill: str
    box: BoxShares | None = None


class MapTestCall(MapCall):
    """Measure curves of the maps that are shown."""

    fill: str
    steps: int


class TypedCall(RunCall):
    """Bring a word in place of the token `at`."""

    at: int
    word: str


class AnswerCall(RunCall):
    """Read an edited answer."""

    answer: Annotated[str, Field(max_length=LONGEST_ANSWER)]


class SaveCall(MapCall):
    """Make a file; `progress` knows it by the ticket."""

    look: dict[str, Any]
    ticket: Any = None


class QueryCall(PageCall):
    """The parameters of the page's address, and what the browser remembers."""

    query: dict[
        Annotated[str, Field(max_length=LONGEST_PARAMETER)],
        Annotated[str, Field(max_length=LONGEST_PARAMETER)],
    ]
    remembered: Any = None


AnyCall = TypeVar("AnyCall", bound=PageCall)


def read_call(kind: type[AnyCall], sent: Any) -> AnyCall:
    """Return what the page sent as a checked call; `RunError` with a sentence if it is none."""
    try:
        return kind.model_validate(sent)
    except ValidationError:
        asks_nothing = issubclass(kind, RunCall) and isinstance(sent, dict) and not sent.get("run")
        raise RunError(texts.NOT_RUN if asks_nothing else texts.BAD_REQUEST) from None
