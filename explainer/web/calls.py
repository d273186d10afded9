"""What the scripts of the page send, each declared once, and checked by `read_call`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from explainer.errors import RunError
from explainer.web import texts

LONGEST_ID = 64  # characters of a run's key
LONGEST_SUBJECT = 2000  # characters of its JSON
LONGEST_ANSWER = 20_000
MOST_SUBJECTS = 32
LONGEST_PARAMETER = 2000  # characters: the page sends its address with each request


class PageCall(BaseModel):
    """What a script of the page sends. Other fields are ignored, and nothing is converted."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class TypeName(NamedTuple):
    """The TypeScript type of a field that Python describes less closely."""

    name: str


def _as_whole(value: Any) -> Any:
    """Return a whole float as int: JavaScript has one kind of numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Scalar = Annotated[
    bool | int | float | str | None, AfterValidator(_as_whole), TypeName("OptionScalar")
]
Combine = Literal["max", "mean", "first"]  # `methods.COMBINE`
OptionValue = Annotated[dict[str, dict[str, Scalar]], TypeName("OptionValue")]


class Explained(PageCall):
    """What is explained: a chip, several tokens, a word that was not said, or a contrast.

    A chip is given by its number. A word that was not said stands in place of the token `at`, and
    is given by its ids or its text. A contrast is why `plus` and not `minus`.

    `by` says how the maps of several tokens are combined; `layer` is the number of the decoder
    layer that maps are read from, the last one if it is left out.
    """

    chip: int | None = None
    tokens: Annotated[list[int], Field(min_length=1)] | None = None
    at: int | None = None
    ids: Annotated[list[int], Field(min_length=1)] | None = None
    word: str | None = None
    by: Combine = "max"
    plus: Explained | None = None
    minus: Explained | None = None
    layer: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_short(cls, value: Any) -> Any:
        is_json = isinstance(value, dict)
        if is_json and len(json.dumps(value, default=Explained.as_json)) > LONGEST_SUBJECT:
            raise ValueError("too long")
        return value

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, with the fields that were given."""
        return self.model_dump(exclude_unset=True)


class PanelValue(PageCall):
    """The sliders of MSEA + ARC: scales as [factor, whether it is on], their weights, k and β."""

    alphas: list[
        Annotated[
            list[bool | int | float],
            Field(min_length=2, max_length=2),
            TypeName("[number, boolean]"),
        ]
    ]
    weights: Annotated[list[Scalar] | None, TypeName("number[] | null")] = None
    k: Annotated[float, AfterValidator(_as_whole)]
    beta: Annotated[float | None, TypeName("number | null")]


class RunCall(PageCall):
    """About a run that the server keeps."""

    run: Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]


class SubjectCall(RunCall):
    """About what is explained."""

    subject: Annotated[Explained | None, TypeName("Explained | null")] = None


class SubjectsCall(RunCall):
    """About the maps of several subjects by the methods in `options`."""

    subjects: Annotated[list[Explained], Field(min_length=1, max_length=MOST_SUBJECTS)]
    options: OptionValue


class MapCall(SubjectCall):
    """About maps at the settings of both panels."""

    panel: PanelValue
    options: OptionValue


BoxShares = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=4, max_length=4)]


class HidingCall(MapCall):
    """Hide what a map shows, or a box as shares of the picture's width and height."""

    method: str
    image: Annotated[int, Field(ge=0)]
    how: str
    fill: str
    box: Annotated[BoxShares | None, TypeName("Rectangle | null")] = None


class MapTestCall(MapCall):
    """Measure curves of the maps that are shown."""

    fill: str
    steps: int


class EagleCall(SubjectCall):
    """Search for the parts that words need: the chosen word, the whole answer, or a counter-word.

    The counter-word is no in place of yes, or yes in place of no.
    """

    target: Literal["word", "answer", "counter"] = "word"
    parts: str = "superpixels"
    regions: Annotated[int, Field(ge=4, le=128)] = 36
    hiding: str = "pixels"
    image: Annotated[int, Field(ge=0)] = 0


class AgreementCall(EagleCall):
    """Compare maps at the settings of both panels with what a search found."""

    panel: PanelValue
    options: OptionValue


class TypedCall(RunCall):
    """Bring a word in place of the token `at`."""

    at: int
    word: str


class AnswerCall(RunCall):
    """Read an edited answer."""

    answer: Annotated[str, Field(max_length=LONGEST_ANSWER)]


class FollowUpCall(RunCall):
    """Ask something further about the pictures of a run."""

    prompt: Annotated[str, Field(max_length=LONGEST_ANSWER)]


class SaveCall(MapCall):
    """Make a file of one of `formats.FORMATS`; `look` has fields of `export.Look`.

    `progress` knows a film by its ticket.
    """

    format: str
    look: dict[str, Any]
    ticket: str | None = None


class MenuCall(PageCall):
    """The model menu: the model that serves, and the one to load.

    `ticket` is that of a load to cancel; `choices` counts what the person chose, and comes back.
    """

    model: Annotated[str | None, TypeName("string | null")] = None
    asked: Annotated[str | None, TypeName("string | null")] = None
    ticket: str | None = None
    choices: int = 0


class QueryCall(PageCall):
    """The parameters of the page's address, and what the browser remembers."""

    query: dict[
        Annotated[str, Field(max_length=LONGEST_PARAMETER)],
        Annotated[str, Field(max_length=LONGEST_PARAMETER)],
    ]
    remembered: Any = None


class _OptionsCall(PageCall):
    """Options by themselves, as the events of Gradio bring them."""

    options: OptionValue


AnyCall = TypeVar("AnyCall", bound=PageCall)


def read_options(sent: Any) -> OptionValue:
    """Return checked values of options; `RunError` if they cannot be read."""
    return read_call(_OptionsCall, {"options": sent}).options


def read_call(kind: type[AnyCall], sent: Any) -> AnyCall:
    """Return what the page sent as a checked call; `RunError` with a sentence if it is none."""
    try:
        return kind.model_validate(sent)
    except ValidationError:
        asks_nothing = issubclass(kind, RunCall) and isinstance(sent, dict) and not sent.get("run")
        raise RunError(texts.NOT_RUN if asks_nothing else texts.BAD_REQUEST) from None
