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
from explainer.run import ANSWER, ROLE_NAMES, TEMPLATE, Run
from explainer.run.geometry import Placement
from explainer.run.thought import thought
from explainer.web import controls, step_words, texts, token_text

_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "center", "right")
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
        "words": {**texts.VIEW, "saving": texts.SAVE},
    }


def step_props() -> dict[str, Any]:
    """Return the props of *Step by step*: colours, words, and the bounds of a scale's weight."""
    return {
        "diverging": Look().diverging,
        "words": {**step_words.FOLD, "unreachable": texts.UNREACHABLE},
        "dial": texts.DIAL,
        "weight": controls.weight_spec(),
    }


def _menu() -> list[dict[str, Any]]:
    """Return what the menu of methods lists; "asks" those that ask the model for each word."""
    return [
        {
            "name": method.name,
            "label": method.label,
            "summary": method.summary,
            "asks": isinstance(method, Comparison),
        }
        for method in controls.OFFERED.values()
    ]


# Chips -------------------------------------------------------------------------------------------


def bar(run: Run, key: str, subject: Any = None) -> dict[str, Any]:
    """Return the value of the token bar for a run.

    By default the first content word of the answer is the subject.
    """
    words = {chip: word for word in read_words(run) for chip in word.chips}
    chips = [_chip(run, i, words[i]) for i in range(len(run.chips))]
    for number in thought_chips(run):
        chips[number]["thought"] = True
    if subject is None and first_chip(run) is not None:
        subject = {"chip": first_chip(run)}
    return {
        "run": key,
        "chips": chips,
        "subject": subject,
        "layers": list(run.layer_numbers),
        "rests": rests(run),
        "undrawable": warn_about_undrawable((run.prompt, run.answer)),
        "facts": facts(run),
    }


def facts(run: Run) -> dict[str, Any]:
    """Return what the line beside a word is made of.

    These are the texts of all tokens, see `token_text.spelled`, their probabilities, None where
    unknown, and what holds for all of them: model, time and last layer.
    """
    chances = (_finite(float(f"{p:.6g}")) for p in run.probs)
    return {
        "texts": [token_text.spelled(text) for text in run.tokens.texts],
        "probabilities": list(chances),
        "about": [run.model_id, *filter(None, [texts.time_spent(run.settings)])],
        "layer": run.layer,
    }


def rests(run: Run) -> dict[str, Any] | None:
    """Return for each chip of the answer, by number, how much it rests on the picture.

    That is {share, sensitive, against, text}; None if it was not measured.
    """
    if run.evidence is None:
        return None
    found = [(i, reliance(run, chip.tokens)) for i, chip in enumerate(run.chips)]
    return {
        str(i): {
            "share": round(told.share, 4),
            "sensitive": told.is_sensitive,
            "against": told.is_against,
            "text": describe_rests(told, word_sources(run, run.chips[i].tokens)),
        }
        for i, told in found
        if told is not None
    }


def describe_rests(told: Reliance, sources: WordSources | None) -> str:
    """Return how much a word relies on the picture, and what it rests on if that is known."""
    words = texts.RESTS_AGAINST if told.is_against else texts.RESTS_ON
    text = words.format(
        share=texts.share(told.share),
        shown=texts.share(told.shown),
        empty=" and ".join(texts.share(p) for p in told.empty.values()),
    )
    if sources is None:
        return text
    shares = {name: texts.percent(part) for name, part in (sources.shares or {}).items()}
    return f"{text}; {texts.SHARES.format(**shares) if shares else texts.NO_SHARES}"


def live_bar(pieces: Sequence[str]) -> dict[str, Any]:
    """Return the value of the token bar while an answer is being generated."""
    chips = [
        {"index": i, "text": token_text.visible(p), "role": "answer"} for i, p in enumerate(pieces)
    ]
    return {"run": None, "chips": chips, "subject": None, "live": True}


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


def _chip(run: Run, index: int, word: WholeWord) -> dict[str, Any]:
    """Return one chip; `word` is the one that it belongs to."""
    chip = run.chips[index]
    text, role = token_text.visible(chip.text), ROLE_NAMES[chip.role]
    chance = texts.share(probability(run, Span(chip.tokens))) if chip.role == ANSWER else ""
    label = ", ".join(filter(None, [text, f"{role} word", chance]))
    return {
        "index": index,
        "text": text,
        "role": role,
        "label": label,
        "tokens": list(chip.tokens),
        "word": list(word.tokens),
    }


# Maps --------------------------------------------------------------------------------------------


def entry(
    run: Run, asked: Mapping[str, Any], word: str, heats: Mapping[str, Heatmap | str], line: str
) -> dict[str, Any]:
    """Return the maps of one subject as the map view draws them.

    Args:
        run: with the pictures.
        asked: the subject as JSON.
        word: what people call it.
        heats: by method; in place of a map there may be a sentence that says why there is none.
        line: what stands beside the word.
    """
    drawn = {name: heat for name, heat in heats.items() if isinstance(heat, Heatmap)}
    main = drawn.get("msea_arc") or next(iter(drawn.values()), None)
    parts = main.parts if main else ()
    return {
        "subject": dict(asked),
        "word": word,
        "line": line,
        "maps": [_map(run, name, heat, word) for name, heat in heats.items()],
        "peaks": [round(float(np.abs(part.values).max()), 3) for part in parts],
        "beta": _finite(drawn["msea_arc"].notes.get("beta_auto")) if "msea_arc" in drawn else None,
    }


def picture(run: Run, key: str) -> dict[str, Any]:
    """Return the value of the backdrop: run and images.

    An image has a data URI, its width / height and label; one of several also a thumbnail.
    """
    side = _PICTURE_SIDE if len(run.images) == 1 else _PICTURE_SIDE * 3 // 4
    shown = [
        {"src": shrunk(image, side), "ratio": image.shape[1] / image.shape[0], "label": label}
        for image, label in zip(run.images, picture_labels(run), strict=True)
    ]
    if len(run.images) > 1:
        for entry, image in zip(shown, run.images, strict=True):
            entry["thumbnail"] = _uri(thumbnail(image, 96))
    return {"run": key, "images": shown}


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


def _map(run: Run, name: str, heat: Heatmap | str, word: str) -> dict[str, Any]:
    label = controls.OFFERED[name].label
    if isinstance(heat, str):
        return {"name": name, "label": label, "why": heat, "parts": []}
    parts = [
        part_value(image, part, heat.signed, f"{label} map of “{word}”{_on(title)}")
        for image, part, title in zip(run.images, heat.parts, picture_labels(run), strict=True)
    ]
    return {
        "name": name,
        "label": label,
        "note": notes(heat),
        "parts": parts,
        "signed": heat.signed,
        "norm": heat.normalisation,
    }


def part_value(
    image: npt.NDArray[np.uint8], part: MapPart, signed: bool, title: str
) -> dict[str, Any]:
    """Return one part of a map as the scripts draw it.

    "otsu" is the step of the colour table above which lies what stands out, None if nothing does;
    "alt" the title and in words where that is.
    """
    cut = None if is_faint(part.values) else otsu(levels(part.values))  # below 0 counts as 0
    return {
        "shape": list(part.values.shape),
        "data": _base64(levels(part.values, signed)),
        **placed(part.placement, image),
        "otsu": 127.5 + cut / 2 if signed and cut is not None else cut,
        "alt": f"{title}: {_where(part)}",
    }


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
