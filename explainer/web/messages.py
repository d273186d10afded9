"""The messages that the page gets, each declared once.

The JSON of a `Sent` message is `as_json()`. `python -m tests.message_types` writes the types of
`js/messages.d.ts` from them. Maps, chips and pictures are described in `js/types.d.ts`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from explainer.web.texts import in_words

Value = dict[str, Any]


class TypeName(NamedTuple):
    """The name of a type of `js/types.d.ts`."""

    name: str


Explained = Annotated[Value, TypeName("Explained")]
Box = Annotated[list[float], TypeName("Rectangle")]


class Sent(BaseModel):
    """What the page gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def as_json(self) -> Value:
        """Return it as JSON; fields that were not given are left out."""
        return self.model_dump(exclude_unset=True)


class Busy(Sent):
    """What Python says while the model works."""

    busy: str


class Message(Sent):
    """A sentence for the person."""

    text: str
    kind: Literal["error", "note", "busy", ""]


class RankedWord(Sent):
    """A word of the answer with its reliance on the picture, `part`, 0 to 1.

    `at` is its place in the answer; `shares` those of picture, prompt and earlier words.
    """

    at: int
    subject: Explained
    text: str
    share: str
    part: float
    label: str
    needed: bool
    shares: list[float] | None


class RankedAnswer(Sent):
    """The words of an answer, highest reliance first."""

    run: str
    sentence: str
    words: list[RankedWord]


class ShownPicture(Sent):
    """A picture that the model was shown, as a data URI."""

    src: str
    label: str


class HidingResult(Sent):
    """How the words of an answer changed.

    `line` and `verdict` are about the chosen word, "" if it was not said; `rows` about all others
    that changed, most first.
    """

    word: str
    line: str
    verdict: str
    note: str
    columns: list[str]
    rows: list[list[str]]
    rest: str
    pictures: list[ShownPicture]


class CurveLine(Sent):
    """Probabilities of a word over the share of the picture that is shown, or gone."""

    label: str
    share: list[float]
    insertion: list[float]
    deletion: list[float]


class CurveBounds(Sent):
    """The lowest, or the highest, of the random orders."""

    insertion: list[float]
    deletion: list[float]


class ChanceLine(CurveLine):
    """The mean of the random orders."""

    low: CurveBounds
    high: CurveBounds


class CurveChart(Sent):
    """Curves of maps, and of random orders once there is one."""

    lines: list[CurveLine]
    chance: ChanceLine | None


class MapTestProgress(Busy):
    """How many pictures the model has read, and the curves that are ready."""

    done: int
    total: int
    word: str
    chart: CurveChart


class MapTestResult(Sent):
    """What the curves of a word's maps mean; the last of the rows is that of the random orders."""

    chart: CurveChart
    word: str
    line: str
    verdict: str
    columns: list[str]
    rows: list[list[str]]
    rest: str


class WordCandidate(Sent):
    """A word that could have stood in place of a chip."""

    subject: Explained
    text: str
    share: str


class WordPlaces(Sent):
    """Candidates for each chip, by its number."""

    run: str
    answer: str
    places: list[list[WordCandidate]]


class ImageWords(Sent):
    """Words that the model reads on one image: numbers of texts, as many for each cell."""

    shape: Annotated[list[int], TypeName("[number, number]")]
    extent: Box
    frame: Box
    words: list[int]


class PlaceWords(Sent):
    """Words that the model reads at the places of each image."""

    texts: list[str]
    images: list[ImageWords]


class SavedFile(Sent):
    """A file to keep, in base64, and what it could not show."""

    name: str
    mime: str
    note: str
    data: str


class TypedWord(Sent):
    """The subject of a word that was typed."""

    run: str
    subject: Explained


class LinkParameters(Sent):
    """Part of a link, and what cannot be in it."""

    run: str | None = None
    query: dict[str, str]
    text: str


class LinkChoice(Sent):
    """What a link chooses in an answer; `lacks` the words that the run does not hold yet."""

    run: str | None = None
    subject: Explained | None
    lacks: list[str]
    text: str


def busy(text: str) -> Value:
    """Return the map view's value while the model works."""
    return Busy(busy=text).as_json()


def said(text: str, kind: Literal["error", "note", "busy", ""] = "error") -> Value:
    """Return a message: of the map view (maps stay), or of a notice."""
    return Message(text=text, kind=kind).as_json()


def failed(error: Exception) -> Value:
    """Return the message that tells a person what went wrong."""
    return said(in_words(error))
