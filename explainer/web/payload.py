"""From runs and heatmaps to the JSON that the page's scripts draw."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.export import DIVERGING, SEQUENTIAL, Look, colour_table
from explainer.export.fonts import warn_about_undrawable
from explainer.export.small_print import NOTHING, notes
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.comparison import Comparison
from explainer.methods.otsu import is_faint, levels, otsu, stands_out
from explainer.methods.subjects import Span, WholeWord, probability, read_words
from explainer.probing.reliance import Reliance, reliance
from explainer.probing.sources import WordSources, word_sources
from explainer.run import (
    ANSWER,
    EARLIER_ANSWER,
    EARLIER_PROMPT,
    PROMPT,
    ROLE_NAMES,
    SYSTEM,
    TEMPLATE,
    Conversation,
    Run,
)
from explainer.run.geometry import Placement
from explainer.run.schema import RoleName
from explainer.run.thought import thought
from explainer.web import controls, step_words, texts, token_text
from explainer.web.calls import Explained
from explainer.web.messages import DrawnPart, Value
from explainer.web.page_messages import (
    AnswerFacts,
    BackdropImage,
    BackdropValue,
    BarChip,
    BarValue,
    ChipReliance,
    DrawnEntry,
    DrawnMap,
    EmptyBar,
    LiveBar,
    LiveChip,
    MethodChoice,
)

_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "center", "right")
_LIVE = 100  # pieces of an answer that are sent one by one while it is generated
_PICTURE_SIDE = 720  # longest side of the picture under the maps, enough for a large screen


def tables() -> dict[str, str]:
    """Return all colour tables, base64 of 256 RGB triples each."""
    return {name: _base64(colour_table(name)) for name in (*SEQUENTIAL, *DIVERGING)}


def colour_labels() -> dict[str, str]:
    """Return the names for people of the tables for unsigned maps."""
    return dict(SEQUENTIAL)


def view_props() -> dict[str, Any]:
    """Return the props of the map view: colours, what methods show, and words."""
    look = Look()
    return {
        "colours": look.colours,
        "diverging": look.diverging,
        "methods": _menu(),
        "shown": list(controls.SHOWN),
        "words": texts.VIEW,
    }


def step_props() -> dict[str, Any]:
    """Return the props of *Step by step*: colours, words, and the bounds of a scale's weight."""
    return {
        "diverging": Look().diverging,
        "words": step_words.FOLD,
        "dial": texts.DIAL,
        "weight": controls.weight_spec().as_json(),
    }


def _menu() -> list[Value]:
    """Return what the menu of methods lists."""
    return [
        MethodChoice(
            name=method.name,
            label=method.label,
            summary=method.summary,
            asks=isinstance(method, Comparison),
        ).as_json()
        for method in controls.OFFERED.values()
    ]


# Chips -------------------------------------------------------------------------------------------


def bar(run: Run, key: str, subject: Any = None) -> Value:
    """Return the value of the token bar for a run, a `BarValue` as JSON.

    By default the first content word of the answer is the subject.
    """
    words = {chip: word for word in read_words(run) for chip in word.chips}
    thoughts = {*thought_chips(run)}
    chips = [_chip(run, i, words[i], i in thoughts) for i in range(len(run.chips))]
    if subject is None and (first := first_chip(run)) is not None:
        subject = Explained(chip=first)
    return BarValue(
        run=key,
        subject=subject,
        chips=chips,
        layers=list(run.layer_numbers),
        rests=rests(run),
        undrawable=warn_about_undrawable((run.prompt, run.answer)),
        facts=facts(run),
    ).as_json()


def facts(run: Run) -> AnswerFacts:
    """Return what the line beside a word is made of; `texts` are as in `token_text.spelled`."""
    chances = (_finite(float(f"{p:.6g}")) for p in run.probs)
    return AnswerFacts(
        texts=[token_text.spelled(text) for text in run.tokens.texts],
        probabilities=list(chances),
        about=[run.model_id, *filter(None, [texts.time_spent(run.settings)])],
        layer=run.layer,
    )


def rests(run: Run) -> dict[str, ChipReliance] | None:
    """Return how much each chip of the answer, by number, relies on the picture.

    None if it was not measured.
    """
    if run.evidence is None:
        return None
    measured = [(i, reliance(run, chip.tokens)) for i, chip in enumerate(run.chips)]
    return {
        str(i): ChipReliance(
            share=round(found.share, 4),
            sensitive=found.is_sensitive,
            against=found.is_against,
            text=describe_rests(found, word_sources(run, run.chips[i].tokens)),
        )
        for i, found in measured
        if found is not None
    }


def describe_rests(measured: Reliance, sources: WordSources | None) -> str:
    """Return how much a word relies on the picture, and what it rests on if that is known."""
    words = texts.RESTS_AGAINST if measured.is_against else texts.RESTS_ON
    text = words.format(
        share=texts.share(measured.share),
        shown=texts.share(measured.shown),
        empty=" and ".join(texts.share(p) for p in measured.empty.values()),
    )
    if sources is None:
        return text
    shares = {name: texts.percent(part) for name, part in (sources.shares or {}).items()}
    return f"{text}; {texts.SHARES.format(**shares) if shares else texts.NO_SHARES}"


def live_bar(pieces: Sequence[str], thread: Sequence[tuple[str, RoleName]] = ()) -> Value:
    """Return the value of the token bar while an answer is being generated.

    `thread` are texts that stand around it, with the names of their roles.
    """
    settled = "".join(pieces[:-_LIVE])  # else each token would send all before it once more
    shown = [*thread, *((piece, "answer") for piece in (settled, *pieces[-_LIVE:]) if piece)]
    chips = [
        LiveChip(index=i, text=token_text.visible(text), role=role)
        for i, (text, role) in enumerate(shown)
    ]
    return LiveBar(run=None, subject=None, chips=chips, live=True).as_json()


def empty_bar() -> Value:
    """Return the value of the token bar without chips."""
    return EmptyBar(run=None, subject=None, chips=[]).as_json()


def conversation_thread(conversation: Conversation, prompt: str) -> list[tuple[str, RoleName]]:
    """Return what is said in a conversation up to the answer of `prompt`, each with its role."""
    turns = [
        (text, ROLE_NAMES[role])
        for turn in conversation.turns
        for text, role in zip(turn, (EARLIER_PROMPT, EARLIER_ANSWER), strict=True)
    ]
    system = [(conversation.system, ROLE_NAMES[SYSTEM])] if conversation.system else []
    return [*system, *turns, (prompt, ROLE_NAMES[PROMPT])]


def thought_chips(run: Run) -> list[int]:
    """Return the numbers of the chips of the answer's thought."""
    thinks = {*thought(run)}
    return [i for i, chip in enumerate(run.chips) if thinks.issuperset(chip.tokens) and thinks]


def first_chip(run: Run) -> int | None:
    """Return the chip to show first: a content word of the answer, or the next best thing."""
    chips = [(i, c) for i, c in enumerate(run.chips) if c.role != TEMPLATE]
    thoughts = {*thought_chips(run)}
    answer = [(i, c) for i, c in chips if c.role == ANSWER and i not in thoughts]
    for pool in (answer, chips):
        words = [i for i, c in pool if token_text.is_content(c.text)]
        if words or pool:
            return words[0] if words else pool[0][0]
    return None


def _chip(run: Run, index: int, word: WholeWord, is_thought: bool) -> BarChip:
    """Return one chip; `word` is the one that it belongs to."""
    chip = run.chips[index]
    text, role = token_text.visible(chip.text), ROLE_NAMES[chip.role]
    chance = texts.share(probability(run, Span(chip.tokens))) if chip.role == ANSWER else ""
    value = BarChip(
        index=index,
        text=text,
        role=role,
        label=", ".join(filter(None, [text, f"{role.replace('_', ' ')} word", chance])),
        tokens=list(chip.tokens),
        word=list(word.tokens),
    )
    return value.model_copy(update={"thought": True}) if is_thought else value


# Maps --------------------------------------------------------------------------------------------


def entry(
    run: Run, subject: Any, word: str, heats: Mapping[str, Heatmap | str], line: str
) -> DrawnEntry:
    """Return the maps of one subject as the map view draws them.

    Args:
        run: with the pictures.
        subject: an `Explained`, or its JSON.
        word: what people call it.
        heats: by method; in place of a map there may be a sentence that says why there is none.
        line: what stands beside the word.
    """
    drawn = {name: heat for name, heat in heats.items() if isinstance(heat, Heatmap)}
    main = drawn.get("msea_arc") or next(iter(drawn.values()), None)
    parts = main.parts if main else ()
    return DrawnEntry(
        subject=subject,
        word=word,
        line=line,
        maps=[_map(run, name, heat, word) for name, heat in heats.items()],
        peaks=[round(float(np.abs(part.values).max()), 3) for part in parts],
        beta=_finite(drawn["msea_arc"].notes.get("beta_auto")) if "msea_arc" in drawn else None,
    )


def picture(run: Run, key: str) -> Value:
    """Return the value of the backdrop, a `BackdropValue` as JSON."""
    are_several = len(run.images) > 1
    side = _PICTURE_SIDE * 3 // 4 if are_several else _PICTURE_SIDE
    images = [
        BackdropImage(
            src=shrunk(image, side),
            ratio=image.shape[1] / image.shape[0],
            label=label,
            **({"thumbnail": _uri(thumbnail(image, 96))} if are_several else {}),
        )
        for image, label in zip(run.images, picture_labels(run), strict=True)
    ]
    return BackdropValue(run=key, images=images).as_json()


def picture_labels(run: Run) -> list[str]:
    """Return a name for each image: what the run says, else its number; "" for an only one."""
    if len(run.images) == 1:
        return list(run.labels)
    return [label or texts.NUMBERED.format(number=i) for i, label in enumerate(run.labels, 1)]


def shrunk(pixels: npt.NDArray[np.uint8], side: int) -> str:
    """Return a picture of at most this side as a data URI."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    return _uri(_jpeg(image, quality=92, subsampling=0))


def thumbnail(pixels: npt.NDArray[np.uint8], side: int = 144) -> bytes:
    """Return a small square cut from the middle of a picture as a JPEG file."""
    image = Image.fromarray(pixels)
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    image = image.crop((left, top, left + edge, top + edge)).resize((side, side))
    return _jpeg(image, quality=88)


def _jpeg(image: Image.Image, **how: int) -> bytes:
    """Return a picture as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", **how)
    return buffer.getvalue()


def _uri(jpeg: bytes) -> str:
    """Return a JPEG file as a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _map(run: Run, name: str, heat: Heatmap | str, word: str) -> DrawnMap:
    label = controls.OFFERED[name].label
    if isinstance(heat, str):
        return DrawnMap(name=name, label=label, why=heat, parts=[])
    parts = [
        part_value(image, part, heat.signed, f"{label} map of “{word}”{_on(title)}")
        for image, part, title in zip(run.images, heat.parts, picture_labels(run), strict=True)
    ]
    return DrawnMap(
        name=name,
        label=label,
        note=notes(heat),
        parts=parts,
        signed=heat.signed,
        norm=heat.normalisation,
    )


def part_value(image: npt.NDArray[np.uint8], part: MapPart, signed: bool, title: str) -> DrawnPart:
    """Return one part of a map as the scripts draw it; `alt` begins with the title."""
    cut = None if is_faint(part.values) else otsu(levels(part.values))  # below 0 counts as 0
    return DrawnPart(
        shape=list(part.values.shape),
        data=_base64(levels(part.values, signed)),
        **placed(part.placement, image),
        otsu=127.5 + cut / 2 if signed and cut is not None else cut,
        alt=f"{title}: {_where(part)}",
    )


def placed(placement: Placement, image: npt.NDArray[np.uint8]) -> dict[str, list[float]]:
    """Return the boxes of a placement in shares of the image, as the scripts read them."""
    within = placement.shares(image.shape)
    return {"extent": list(within.extent), "frame": list(within.frame)}


def _on(title: str) -> str:
    return f" on {title}" if title else ""


def _where(part: MapPart) -> str:
    """Return in words where a map is strongest, and how much of what was seen stands out."""
    values, peak = part.values, float(part.values.max())
    if not peak > 0:
        return "empty"
    if is_faint(values):
        return f"{NOTHING}, its peak is {peak:.2f}"
    highest = np.unravel_index(int(values.argmax()), values.shape)
    row, column = map(_third, part.edges(), highest)
    place = f"{_ROWS[row]} {_COLUMNS[column]}".replace("middle center", "center")
    share = round(100 * float(part.placement.areas(values.shape)[stands_out(values)].sum()))
    return f"strongest in the {place}, {peak:.2f}; {share or '< 1'} % of it stands out"


def _third(edges: npt.NDArray[np.float64], cell: np.intp) -> int:
    """Return in which third of what all cells hold the centre of one lies."""
    centre = (edges[cell] + edges[cell + 1]) / 2
    return int(3 * (centre - edges[0]) / (edges[-1] - edges[0]))


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _base64(array: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
