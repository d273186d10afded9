"""The messages of the parts that every page has: chips, maps, pictures, sliders, options, menu.

A field that has a default is left out where there is nothing to say.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from explainer.run.schema import RoleName
from explainer.web.calls import Explained, Scalar, TypeName
from explainer.web.messages import Busy, DrawnPart, Message, Sent

# Chips -------------------------------------------------------------------------------------------


class BarChip(Sent):
    """A chip of the token bar: its tokens, and those of the whole word that it belongs to.

    `thought` marks a chip of the thought that opens an answer.
    """

    index: int
    text: str
    role: RoleName
    label: str = ""
    tokens: list[int]
    word: list[int]
    thought: Literal[True] = True


class LiveChip(Sent):
    """A chip while an answer is being generated."""

    index: int
    text: str
    role: RoleName


class ChipReliance(Sent):
    """How much a word of the answer relies on the picture: its share, 0 to 1, and a sentence.

    `sensitive` says whether it needs the picture, `against` whether it is less likely with it.
    """

    share: float
    sensitive: bool
    against: bool
    text: str


class AnswerFacts(Sent):
    """What the line beside a word is made of.

    `texts` of all tokens can be joined; `probabilities` are null where unknown; `about` holds for
    all words: model and time; `layer` is the number of the last layer.
    """

    texts: list[str]
    probabilities: list[float | None]
    about: list[str]
    layer: int | None


Rests = dict[str, ChipReliance]  # by the number of the chip


class BarValue(Sent):
    """The chips of a run.

    `layers` are the numbers of the decoder layers that maps can be read from, the last at the end;
    `rests` is null until it is measured; `undrawable` is a sentence on characters that files of
    pixels cannot show.
    """

    run: str
    subject: Explained | None
    chips: list[BarChip]
    layers: list[int]
    rests: Annotated[Rests | None, TypeName("Record<number, ChipReliance> | null")]
    undrawable: str
    facts: AnswerFacts


class LiveBar(Sent):
    """The chips of an answer that is being generated."""

    run: None
    subject: None
    chips: list[LiveChip]
    live: Literal[True]


class EmptyBar(Sent):
    """No chips."""

    run: None
    subject: None
    chips: list[LiveChip]


class RelianceResult(Sent):
    """The reliance of the words of a run."""

    run: str
    rests: Annotated[Rests | None, TypeName("Record<number, ChipReliance> | null")]


class RelianceRefusal(Sent):
    """Why the reliance of the words of a run cannot be measured."""

    why: str


# Maps and pictures -------------------------------------------------------------------------------


class DrawnMap(Sent):
    """The map of one method: a part for each image, or none and `why`."""

    name: str
    label: str
    parts: list[DrawnPart]
    note: str = ""
    signed: bool = False
    norm: str = ""
    why: str = ""


class DrawnEntry(Sent):
    """The maps of one subject, the line beside it, and the largest value on each image.

    `beta` is what Eq. 9 gives for it; `need` says whether the model has yet to make some maps.
    """

    subject: Explained
    word: str
    line: str
    maps: list[DrawnMap]
    peaks: list[float]
    beta: float | None
    need: bool = False


class ComparedMaps(Sent):
    """The maps of comparison methods for several subjects."""

    maps: list[DrawnEntry]


class BackdropImage(Sent):
    """A picture under the maps as a data URI, its width / height, and its name.

    One of several has a thumbnail, too.
    """

    src: str
    ratio: float
    label: str
    thumbnail: str = ""


class BackdropValue(Sent):
    """The pictures of a run."""

    run: str
    images: list[BackdropImage]


class EndableBusy(Busy):
    """What Python says while the model does work that a person can end."""

    endable: Literal[True]


class MapsMade(Sent):
    """That maps can be drawn that the model had to add to; `text` says what went wrong with some.

    `refresh` differs each time.
    """

    refresh: int
    text: str = ""
    kind: Literal["error"] = "error"


class FilmProgress(Sent):
    """How many frames of a film are made; nothing if no film has this ticket."""

    done: int = 0
    total: int = 0


class MethodChoice(Sent):
    """A method in the menu; `asks` says whether the model is run again for each word."""

    name: str
    label: str
    summary: str
    asks: bool


class Thumbnail(Sent):
    """A picture to choose, by its address."""

    thumbnail: str
    label: str
    prompt: str


# Controls ----------------------------------------------------------------------------------------


class KnobBounds(Sent):
    """What a slider can be set to, and what it means."""

    low: float
    high: float
    step: float
    meaning: str


class SliderBounds(KnobBounds):
    """The bounds of a slider, and what it is reset to."""

    default: float


class ScaleBounds(KnobBounds):
    """The bounds of the sliders of scales, and what they are reset to, as [factor, on]."""

    defaults: Annotated[list[list[Any]], TypeName("[number, boolean][]")]


class PanelSpec(Sent):
    """The sliders of MSEA + ARC."""

    scales: ScaleBounds
    k: SliderBounds
    beta: SliderBounds
    weights: KnobBounds | None = None


class OptionKnob(Sent):
    """A knob without a slider: one of `choices`, or a number within bounds."""

    name: str
    kind: str
    default: Scalar
    meaning: str
    choices: list[str] = Field(default_factory=list)
    low: float = 0.0
    high: float = 1.0
    step: float = 1.0
    advanced: Literal[True] = True


class MethodOptions(Sent):
    """The options of a method; its knobs are numbers in the list of `OptionProps`."""

    name: str
    label: str
    summary: str
    paper: str
    presets: Annotated[dict[str, dict[str, Any]], TypeName("OptionValue")]
    knobs: list[int]


class OptionProps(Sent):
    """The options of all methods, and their knobs, of which methods share most."""

    spec: list[MethodOptions]
    knobs: list[OptionKnob]


# The model menu ----------------------------------------------------------------------------------


class ModelLoad(Sent):
    """How far a model is loaded, 0 to 1 or null if not known; `ticket` can cancel it."""

    name: str
    stage: str
    fraction: float | None
    seconds: float
    ticket: str


class LoadingMenu(Sent):
    """The progress of the model that was chosen."""

    busy: ModelLoad


class MenuModel(Sent):
    """A model to choose."""

    id: str
    text: str


class MenuGroup(Sent):
    """Models under one heading."""

    label: str
    models: list[MenuModel]


class ModelScales(Sent):
    """Scale factors that a model can be read at, and why no larger ones; nothing if not known."""

    low: float = 0.0
    high: float = 1.0
    why: str = ""


class MenuValue(Sent):
    """All that the model menu draws.

    `any` says whether other models may be named; `link` is the address of the model's page, or "";
    `thinks` says whether it can open an answer with a thought; `starting` is its progress while the
    server starts with it; `choices` comes back as the page sent it.
    """

    model: str
    groups: list[MenuGroup]
    any: bool
    line: str
    link: str
    details: str
    scales: ModelScales
    thinks: bool
    said: Message
    starting: ModelLoad | None
    choices: int = 0
