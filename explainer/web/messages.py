"""The messages that the page gets, each declared once.

The JSON of a `Sent` message is `as_json()`. `python -m tests.message_types` writes the types of
`js/messages.d.ts` from them. Those of the parts that every page has are in `page_messages.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict

from explainer.web.calls import Explained, TypeName
from explainer.web.texts import in_words

Value = dict[str, Any]
Box = Annotated[list[float], TypeName("Rectangle")]
Shape = Annotated[list[int], TypeName("[number, number]")]


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


class DrawnPart(Sent):
    """A map on one image.

    `shape` counts its rows and columns of equal cells, which lie in `frame` and show `extent` of
    the picture; `data` is one byte for each cell, row by row, in base64. Above the step `otsu` of
    the colour table lies what stands out, null if nothing does. `alt` describes the map.
    """

    shape: Shape
    extent: Box
    frame: Box
    data: str
    otsu: float | None
    alt: str


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

    shape: Shape
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


class PhotographAdvice(Sent):
    """What an answer about a photograph is worth, and the model to load for it; both may be ""."""

    run: str
    text: str
    model: str


class PartsPicture(Sent):
    """The picture with the borders of its parts, as a data URI, and a sentence on them."""

    picture: str
    line: str


class FlaggedWord(Sent):
    """A word that the picture adds next to nothing to."""

    subject: Explained
    text: str
    label: str


class FlaggedWords(Sent):
    """The words of an answer that the picture adds next to nothing to."""

    flagged: list[FlaggedWord]


class SearchStep(Busy):
    """How many readings a search has made, and its map so far as a data URI."""

    done: int
    total: int
    picture: str


class SearchResult(Sent):
    """What a search found, and its map as a data URI."""

    picture: str
    line: str
    found: Literal[True]


class AgreementTable(Sent):
    """How well maps agree with what a search found; the last row is that of random orders."""

    columns: list[str]
    rows: list[list[str]]
    rest: str


class AnswerPiece(Sent):
    """A piece of an answer, and whether the other answer lacks it."""

    text: str
    changed: bool


class CorrectionResult(SearchResult):
    """Both answers; the picture has the parts hidden that the second was given without."""

    before: list[AnswerPiece]
    after: list[AnswerPiece]


class TypedWord(Sent):
    """The subject of a word that was typed."""

    run: str
    subject: Explained


class LinkParameters(Sent):
    """Part of a link, and what cannot be in it."""

    run: Annotated[str | None, TypeName("string | null")] = None
    query: dict[str, str]
    text: str


class LinkChoice(Sent):
    """What a link chooses in an answer; `lacks` the words that the run does not hold yet."""

    run: Annotated[str | None, TypeName("string | null")] = None
    subject: Explained | None
    lacks: list[str]
    text: str


class RestoredLink(Sent):
    """The settings that a page starts with; `asks` says whether its link asks for an answer."""

    settings: Annotated[Value, TypeName("PageSettings")]
    asks: bool
    layer: int | None
    text: str


class MaskNote(Sent):
    """That an answer is about a masked picture, and which run was shown before, as it was sent."""

    run: str
    note: str
    before: Annotated[Any, TypeName("{run: string, subject: Explained | null}")]


def busy(text: str) -> Value:
    """Return the map view's value while the model works."""
    return Busy(busy=text).as_json()


def said(text: str, kind: Literal["error", "note", "busy", ""] = "error") -> Value:
    """Return a message: of the map view (maps stay), or of a notice."""
    return Message(text=text, kind=kind).as_json()


def failed(error: Exception) -> Value:
    """Return the message that tells a person what went wrong."""
    return said(in_words(error))
