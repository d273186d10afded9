"""What happens on the page's events, as plain functions of values.

Recording yields page updates; everything else is arithmetic on a stored run. Whatever goes wrong
becomes a sentence on the page, and what was there before stays usable.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from explainer.errors import ImageError, RunError, SightlineError, TokenError, VideoError
from explainer.images import Picture, fit, open_image
from explainer.methods import METHODS, explain_chip
from explainer.methods.base import Heatmap
from explainer.run import ANSWER, TEMPLATE, Run, Video
from explainer.service import Models
from explainer.store import RunStore
from explainer.ui import controls, payload, texts
from explainer.ui.controls import Choice, Decoding, Settings
from explainer.ui.recording import ExplainerLike, Job, Media, Worker, make_worker
from explainer.video import is_video, open_video

log = logging.getLogger(__name__)

Value = dict[str, Any]
MOST_FILES = 32  # opened for one request; models take fewer
NOTHING: Value = {}  # leaves a drawn component as it is


class Page(NamedTuple):
    """New values of the drawn components during a recording."""

    bar: Value
    view: Value = NOTHING
    backdrop: Value = NOTHING
    notice: Value = NOTHING


@dataclass(frozen=True)
class Example:
    """One picture and prompt to try."""

    picture: Picture
    prompt: str
    label: str


def busy(text: str) -> Value:
    """Return the map view's value while the model works."""
    return {"busy": text}


def said(text: str, kind: str = "error") -> Value:
    """Return a message: of the map view (maps stay), or of a notice."""
    return {"text": text, "kind": kind}


class Handlers:
    """The page's events for the models of a server, or one explainer, and one store of runs.

    `gpu` decorates the generator function that uses the model.
    """

    def __init__(
        self,
        models: Models | ExplainerLike,
        store: RunStore,
        examples: Sequence[Example] = (),
        gpu: Callable[[Worker], Worker] = lambda worker: worker,
    ) -> None:
        self._models = models if isinstance(models, Models) else Models.of_one(models)
        self._store = store
        self._examples = examples
        self._work = gpu(make_worker(self._models.loaded))

    # Recording -----------------------------------------------------------------------------------

    def record(
        self,
        source: Any,
        prompt: Any,
        previous: Any,
        max_new_tokens: Any,
        temperature: Any,
        seed: Any,
        panel: Any,
        option: Any,
        model: Any = "",
        more: Any = None,
    ) -> Iterator[Page]:
        """Yield what the page shows while an answer is recorded, and at last its first maps.

        On an error the chips of the `previous` run come back.
        """
        try:
            media, asked, notes = _inputs(source, more, prompt)
            settings = controls.read_settings(panel, option)
            decoding = controls.read_decoding(max_new_tokens, temperature, seed)
            yield Page({"chips": [], "live": True}, busy(texts.BUSY_READING), notice=_note(notes))
            steps = self._steps(media, asked, decoding, settings.needed, chosen(model))
            yield from self._follow(steps, settings)
        except Exception as error:
            message = said(in_words(error))
            picture_is_wrong = isinstance(error, ImageError)
            notice, view = (message, said("")) if picture_is_wrong else (NOTHING, message)
            yield Page(self._restored(previous), view, notice=notice)

    def _follow(self, steps: Iterator[Any], settings: Settings) -> Iterator[Page]:
        """Yield the page after each step, and the maps of the first content word at the end."""
        pieces: list[str] = []
        for item in steps:
            if isinstance(item, _Recorded):
                yield self._first_page(item, settings)
            elif item.kind == "token":
                pieces += [item.text] if item.text else []
                line = texts.BUSY_ANSWERING.format(done=item.done, total=item.total)
                yield Page(payload.live_bar(pieces), busy(line))
            elif item.kind == "scale":
                line = texts.BUSY_SCALES.format(done=item.done, total=item.total)
                yield Page(payload.live_bar(pieces), busy(line))

    def _first_page(self, recorded: _Recorded, settings: Settings) -> Page:
        run, key = recorded
        bar = payload.bar(run, key)
        if bar["active"] is None:
            return Page(bar, said(texts.EMPTY_ANSWER, "note"), payload.picture(run, key))
        view = self._paint(run, Choice(key, bar["active"]), settings)
        if not len(run.indices(ANSWER)):
            view |= said(texts.EMPTY_ANSWER, "note")
        return Page(bar, view, payload.picture(run, key))

    def _steps(
        self,
        media: Media,
        prompt: str,
        decoding: Decoding,
        scales: Sequence[float],
        model: Any,
    ) -> Iterator[Any]:
        """Yield the steps of a recording that are not in the store yet, and the stored run."""
        told = {k: v for k, v in asdict(decoding).items() if k != "seed" or decoding.temperature}
        entry = self._models.entry(model)
        made_by = f"{entry.id}@{entry.revision}" if entry.revision else entry.id
        key = self._store.key(_content(media), prompt, made_by, told)
        run = self._store.get(key)
        missing = _missing(run, scales)
        if run is None or missing:
            with self._models.use(entry.id):
                job = Job(missing, media, prompt, asdict(decoding), run, entry.id)
                for item in self._work(job):
                    if isinstance(item, Run):
                        run = item
                    else:
                        yield item
            if run is None:
                raise RunError(texts.BROKEN)
            self._store.put(key, run)
        yield _Recorded(run, key)

    def add_scales(self, bar: Any, panel: Any, option: Any) -> Iterator[Value]:
        """Yield messages while missing scales are recorded, and then ask the page to redraw."""
        try:
            choice = controls.read_choice(bar)
            run, settings = self._run(choice), controls.read_settings(panel, option)
            missing = _missing(run, settings.needed)
            if missing:
                yield busy(texts.BUSY_ADDING.format(scales=_listed(missing)))
                with self._models.use(self._models.maker_of(run)) as entry:
                    for item in self._work(Job(missing, run=run, model=entry.id)):
                        run = item if isinstance(item, Run) else run
                self._store.put(choice.run, run)
            yield {"refresh": time.monotonic_ns()}
        except Exception as error:
            yield said(in_words(error))

    # Explaining ----------------------------------------------------------------------------------

    def explain(self, bar: Any, panel: Any, option: Any) -> Value:
        """Return the maps of the chosen chip, the scales that are missing for it, or a message."""
        if isinstance(bar, Mapping) and bar.get("live"):
            return {"stale": True}  # asked again when the answer that is under way is there
        try:
            choice = controls.read_choice(bar)
            run, settings = self._run(choice), controls.read_settings(panel, option)
            missing = _missing(run, settings.needed)
            if missing:
                return busy(texts.BUSY_ADDING.format(scales=_listed(missing))) | {"need": missing}
            return self._paint(run, choice, settings)
        except Exception as error:
            return said(in_words(error))

    def _paint(self, run: Run, choice: Choice, settings: Settings) -> Value:
        started = time.perf_counter()
        heats = heatmaps(run, choice.chip, settings)
        line = _line(run, choice.chip, time.perf_counter() - started)
        return payload.maps(run, choice.run, choice.chip, heats, line)

    def _run(self, choice: Choice) -> Run:
        run = self._store.get(choice.run)
        if run is None:
            raise RunError(texts.EXPIRED)
        return run

    # Around it -----------------------------------------------------------------------------------

    def begin(self, bar: Any) -> Value:
        """Return what to come back to if the recording that starts now does not end."""
        return {k: bar.get(k) for k in ("run", "active")} if isinstance(bar, Mapping) else {}

    def stopped(self, previous: Any, panel: Any, option: Any) -> tuple[Value, Value, Value]:
        """Return chips, maps and picture from before the recording that was stopped.

        All three, because the recording may have ended in the very moment of the click.
        """
        bar = self._restored(previous)
        if not bar["run"]:
            return bar, said(texts.STOPPED, "note"), NOTHING
        view = self.explain(bar, panel, option)
        run = self._store.get(bar["run"])
        note = said(texts.STOPPED_BACK, "note") if "maps" in view else {}
        return bar, view | note, payload.picture(run, bar["run"]) if run else NOTHING

    def _restored(self, previous: Any) -> Value:
        """Return the chips of the run that was shown before, or none at all."""
        try:
            choice = controls.read_choice(previous)
            return payload.bar(self._run(choice), choice.run, choice.chip)
        except SightlineError:
            return {"run": None, "chips": [], "active": None}

    def choose(self, index: Any) -> tuple[Any, str, None]:
        """Return the picture and prompt of an example, and nothing in place of further files."""
        if isinstance(index, bool) or not isinstance(index, int):
            raise SightlineError(texts.BAD_REQUEST)
        if not 0 <= index < len(self._examples):
            raise SightlineError(texts.BAD_REQUEST)
        example = self._examples[index]
        return example.picture.pixels, example.prompt, None

    # For scripts ---------------------------------------------------------------------------------

    def record_api(
        self,
        source: Any,
        prompt: Any,
        max_new_tokens: Any,
        temperature: Any,
        seed: Any,
        scales: Any,
        model: Any = "",
        more: Any = None,
    ) -> Value:
        """Record an answer; returns its run id, text, chips and probabilities, as JSON.

        `model` is an id that /models lists, "" for the one that serves now; `more` are files:
        further pictures, or a video in place of the picture.
        """
        media, asked, notes = _inputs(source, more, prompt)
        alphas = controls.read_alphas({"alphas": [[a, True] for a in _list(scales)]})
        decoding = controls.read_decoding(max_new_tokens, temperature, seed)
        *_, recorded = self._steps(media, asked, decoding, alphas, model)
        run, key = recorded
        chips = [
            {"chip": c["index"], "text": run.chips[c["index"]].text, "role": c["role"],
             "probability": payload.probability(run, run.chips[c["index"]])}
            for c in payload.bar(run, key)["chips"]
        ]  # fmt: skip
        return {
            "run": key,
            "model": run.model_id,
            "answer": run.answer,
            "chips": chips,
            "scales": sorted(run.alphas),
            "notes": list(notes),
            "images": payload.picture_labels(run),
        }

    def explain_api(
        self,
        run: str,
        chip: int,
        method: str,
        preset: str | None,
        knobs: Mapping[str, Any],
        image: int = 0,
    ) -> Value:
        """Return the map of a chip on one image of a recorded run, with its meaning, as JSON."""
        choice = controls.read_choice({"run": run, "active": chip})
        found = self._run(choice)
        tokens = _tokens(found, choice.chip)
        given = controls.read_knobs(preset, knobs)
        heat = explain_chip(controls.known_method(method), found, tokens, **given)
        if isinstance(image, bool) or not isinstance(image, int):
            raise SightlineError(texts.BAD_REQUEST)
        if not 0 <= image < len(heat.parts):
            raise RunError(f"image {image} is outside 0..{len(heat.parts) - 1}")
        part = heat.parts[image]
        return {
            "values": [[round(float(v), 4) for v in row] for row in part.values],
            "signed": heat.signed,
            "extent": list(part.extent),
            "normalisation": heat.normalisation,
            "notes": dict(heat.notes),
        }


def chosen(menu: Any) -> Any:
    """Return the model id in the value of the model menu, or the value itself."""
    return menu.get("model") if isinstance(menu, Mapping) else menu


class _Recorded(NamedTuple):
    run: Run
    key: str


def heatmaps(run: Run, chip: int, settings: Settings) -> dict[str, Heatmap]:
    """Return the heatmap of a chip by every shown method; `TokenError` if there is no such chip."""
    tokens = _tokens(run, chip)
    return {
        name: explain_chip(METHODS[name], run, tokens, **knobs)
        for name, knobs in settings.knobs.items()
    }


def _tokens(run: Run, chip: int) -> tuple[int, ...]:
    if not 0 <= chip < len(run.chips) or run.chips[chip].role == TEMPLATE:
        raise TokenError(texts.BAD_REQUEST)
    return run.chips[chip].tokens


def _inputs(source: Any, more: Any, prompt: Any) -> tuple[Media, str, tuple[str, ...]]:
    """Return what is asked about, the prompt, and what a person should know about how they were
    taken."""
    if prompt is not None and not isinstance(prompt, str):
        raise SightlineError(texts.BAD_REQUEST)
    media, notes = _media(source, more)
    if prompt and prompt.strip():
        return media, prompt, notes
    return media, texts.DEFAULT_PROMPT, (*notes, texts.EMPTY_PROMPT)


def _media(source: Any, more: Any) -> tuple[Media, tuple[str, ...]]:
    """Return the pictures, or the frames of the video, and notes on them."""
    files = [more] if isinstance(more, str) else more or []
    if not isinstance(files, (list, tuple)) or len(files) > MOST_FILES:
        raise SightlineError(texts.BAD_REQUEST)
    sources = [*([] if source is None else [source]), *files]
    if not sources:
        raise ImageError(texts.NO_IMAGE)
    if any(is_video(s) for s in files):
        if len(sources) > 1:
            raise VideoError(texts.VIDEO_ALONE)
        return open_video(files[0], multiple=2)
    opened = [open_image(s) for s in sources]
    notes = [
        f"Picture {i}: {note}" if len(opened) > 1 else note
        for i, picture in enumerate(opened, 1)
        for note in picture.notes
    ]
    return tuple(fit(p.pixels) for p in opened), tuple(notes)


def _content(media: Media) -> bytes:
    """Return bytes that stand for what is asked about, to tell runs apart."""
    arrays = (media.frames, media.times) if isinstance(media, Video) else media
    return b"".join(repr((a.shape, a.dtype.str)).encode() + a.tobytes() for a in arrays)


def _missing(run: Run | None, scales: Sequence[float]) -> tuple[float, ...]:
    known = run.alphas if run else ()
    return tuple(a for a in scales if all(abs(a - b) >= 1e-6 for b in known))


def _line(run: Run, chip: int, spent: float) -> str:
    """Return the line beside the chosen word: probability, model, times."""
    chosen = run.chips[chip]
    seconds = run.settings.get("seconds")
    total = sum(seconds.values()) if isinstance(seconds, Mapping) else seconds
    chance = texts.share(payload.probability(run, chosen))
    parts = [
        f"probability {chance}" if chance else "",
        "" if chosen.role == ANSWER else "word of the prompt",
        run.model_id,
        f"answered in {texts.duration(total)}" if total else "",
        f"maps in {texts.duration(spent)}",
    ]
    return "  ·  ".join(filter(None, parts))


def _note(notes: Sequence[str]) -> Value:
    return said(" ".join(notes), "note" if notes else "")


def _listed(scales: Sequence[float]) -> str:
    return ", ".join(f"{a:g}" for a in sorted(scales))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise SightlineError(texts.BAD_REQUEST)
    return value


def in_words(error: Exception) -> str:
    """Return the sentence for the person; what is not meant for people goes to the log."""
    if isinstance(error, SightlineError):
        text = str(error)
        return text[:1].upper() + text[1:]
    log.exception("unexpected error", exc_info=error)
    return texts.BROKEN
