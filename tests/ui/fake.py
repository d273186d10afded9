"""An explainer without a model: runs of random numbers in which each word has its own place."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from explainer.errors import MethodError
from explainer.evaluation.synthetic import GRIDS, grid_rects, synthetic_run
from explainer.media.video import step_label
from explainer.methods import find_method
from explainer.probing.eagle_search import RegionReadings, search
from explainer.probing.region_plan import RegionAttribution, RegionPlan
from explainer.probing.regions import Region
from explainer.probing.reliance import EMPTY
from explainer.probing.tiling import Tiling
from explainer.recording.step import Step
from explainer.run import (
    ANSWER,
    EARLIER_ANSWER,
    EARLIER_PROMPT,
    PROMPT,
    SOURCES,
    Evidence,
    Layer,
    Run,
    Scale,
    View,
)
from explainer.run.conversation import continued

ANSWER_TEXTS = ("A", " cat", " and", " a", " dog", " on", " the", " grass", ".")
SIDE = 336


def box_of(index: int) -> tuple[float, float, float, float]:
    """Return the pixel box that lights up for the answer token with this number."""
    row, column = divmod(index, 4)
    return (column * 84.0, row * 84.0, column * 84.0 + 84, row * 84.0 + 84)


def fake_run(
    texts: Sequence[str] = ANSWER_TEXTS,
    prompt: str = "Describe it.",
    size: tuple[int, int] = (SIDE, SIDE),
    images: int = 1,
) -> Run:
    """Return a run whose answer token i lights up in `box_of(i)`, its prompt cut at spaces.

    In every second image everything is turned by half a circle.
    """
    ids = np.arange(20, 20 + len(texts))
    words = [w if i == 0 else " " + w for i, w in enumerate(prompt.split(" "))] or [""]
    run = synthetic_run(
        np.random.default_rng(0),
        n_prompt=len(words),
        answer_ids=ids,
        planted={int(t): box_of(i % 16) for i, t in enumerate(ids)},
        image_size=size,
        grids={a: [(i, grid) for i in range(images)] for a, grid in GRIDS.items()},
    )
    run = replace(run, scales=tuple(map(_turned, run.scales)), visual_topk=None)
    shown = list(run.tokens.texts)
    for role, parts in ((PROMPT, words), (ANSWER, texts)):
        for at, part in zip(run.indices(role), parts, strict=True):
            shown[at] = part
    tokens = replace(run.tokens, texts=tuple(shown))
    pictures = tuple(_gradient(*size, i) for i in range(images))
    return replace(run, images=pictures, tokens=tokens, prompt=prompt, model_id="fake-model")


def _gradient(height: int, width: int, number: int) -> np.ndarray:
    """Return a smooth picture (height, width, 3) uint8, which is stored faster than noise."""
    down, right = np.mgrid[0 : 255 : height * 1j, 0 : 255 : width * 1j].astype(np.uint8)
    return np.stack([down, right, np.full_like(down, 16 * number)], axis=-1)


def with_layers(run: Run) -> Run:
    """Return the run with two layers before its own, whose maps are upside down."""
    scales = tuple(replace(s, states=s.states[::-1].copy()) for s in run.scales)
    lists = (run.states, run.topk, run.candidate_probs, run.probs)
    return replace(run, layer=3, layers=tuple(Layer(n, scales, *lists) for n in (1, 2)))


def with_words(run: Run) -> Run:
    """Return the run with five words at each visual token: its number's, and the four after it."""
    count, known = len(run.scale(1.0).states), sorted(run.pieces)
    ids = [[known[(n + rank) % len(known)] for rank in range(5)] for n in range(count)]
    return replace(run, visual_topk=np.array(ids, np.int32))


def _turned(scale: Scale) -> Scale:
    states = scale.states.copy()
    for image in range(1, len(scale.views), 2):
        place = scale.of_image(image)[0][1]
        states[place] = states[place][::-1]
    return replace(scale, states=states)


class FakeExplainer:
    """Records the same answer for every picture, one token each `delay` seconds."""

    model_id = "fake-model"

    def __init__(self, texts: Sequence[str] = ANSWER_TEXTS, delay: float = 0.0) -> None:
        self.texts = tuple(texts)
        self.delay = delay
        self.calls: list[str] = []
        self.added: list[float] = []
        self.brought: list[str] = []
        self.forced: list[str] = []
        self.hid: list[tuple[int, str]] = []
        self.running = 0
        self.needs = 1
        self.measured = 0
        self.read = 0
        self.attributed: list[tuple[str, int]] = []

    def stream(
        self, image: Any, prompt: str, *, scales: Sequence[float], **options: Any
    ) -> Iterator[Any]:
        self.calls.append(prompt)
        self.running += 1
        try:
            yield from self._steps(image, prompt, scales, options)
        finally:
            self.running -= 1

    def _steps(
        self, image: Any, prompt: str, scales: Sequence[float], options: dict[str, Any]
    ) -> Iterator[Any]:
        yield Step("read", "", 1, 1)
        for i, text in enumerate(self.texts):
            time.sleep(self.delay)
            yield Step("token", text, i + 1, options["max_new_tokens"])
        video = options.get("video")
        images = tuple(image if video is None else video.frames[::2])
        run = fake_run(self.texts, prompt, images[0].shape[:2], len(images))
        extra = [a for a in scales if a != 1]
        run = replace(
            run,
            images=images,
            video=video,
            labels=tuple(step_label(video, i, 2) for i in range(len(images))) if video else (),
            scales=run.scales[:1],
            settings={"seconds": {"answer": 1.4}},
        )
        run = self._with(run, 1.0)  # placed by the sizes of the pictures
        for done, alpha in enumerate(extra, 1):
            run = self._with(run, alpha)
            yield Step("scale", f"{alpha:g}", done, len(extra))
        yield with_words(with_layers(run) if options.get("layers") == "all" else run)

    def stream_follow_up(self, run: Run, prompt: str, **options: Any) -> Iterator[Any]:
        """Answer further: what was said before becomes words before the prompt."""
        conversation = continued(run)
        said = [text.split() for turn in conversation.turns for text in turn]
        whole = " ".join([*(word for words in said for word in words), prompt])
        for item in self.stream(run.images, whole, scales=run.alphas, **options):
            if not isinstance(item, Run):
                yield item
                continue
            roles, at = item.tokens.roles.copy(), iter(item.indices(PROMPT))
            for number, words in enumerate(said):
                for _ in words:
                    roles[next(at)] = (EARLIER_PROMPT, EARLIER_ANSWER)[number % 2]
            tokens = replace(item.tokens, roles=roles)
            yield replace(item, tokens=tokens, prompt=prompt, conversation=conversation)

    def layer_bytes(self, image: Any, prompt: str, **options: Any) -> int:
        """Return a number that tells what was asked: a megabyte for each scale."""
        return 1_000_000 * len(options["scales"])

    def add_scale(self, run: Run, alpha: float) -> Run:
        self.added.append(alpha)
        time.sleep(self.delay)
        return self._with(run, alpha)

    def add_words(self, run: Run, words: Sequence[str]) -> Run:
        """Bring words: one of the answer's has its own row there, another that of the last."""
        self.brought += words
        said = {t.strip(): int(run.tokens.ids[i]) for i, t in enumerate(run.tokens.texts)}
        ids = [said.get(word.strip(), int(run.tokens.ids[-1])) for word in words]
        told = {
            **run.settings.get("words", {}),
            **{w: [i] for w, i in zip(words, ids, strict=True)},
        }
        pieces = {**run.pieces, **dict(zip(ids, words, strict=True))}
        return replace(run, settings={**run.settings, "words": told}, pieces=pieces)

    def teacher_force(self, run: Run, answer: str) -> Run:
        """Read an answer, a token for each word with the space before it."""
        self.forced.append(answer)
        texts = re.findall(r"\s*\S+", answer)
        other = fake_run(texts, run.prompt, run.image.shape[:2], len(run.images))
        other = replace(other, images=run.images, scales=other.scales[:1], settings=run.settings)
        for alpha in run.alphas:
            other = self._with(other, alpha)
        return other

    def stream_attribution(
        self, run: Run, tokens: Sequence[int], method: str, **knobs: Any
    ) -> Iterator[Any]:
        """Compute the maps of a word from the lens, turned; ArchiSurgery has none, and EAGLE takes
        as many readings as it has regions."""
        time.sleep(self.delay)
        if method == "archi_surgery":
            raise MethodError("ArchiSurgery is defined for CLIP's vision tower")
        declared, made, notes = find_method(method), {}, {}
        left = declared.lacks(run, tokens, declared.settings(**knobs))
        for done, token in enumerate(left, 1):
            key = declared.key(token, knobs)
            if method == "eagle":
                notes[key] = {"reliance": 0.62, "shown": 0.9, "empty": 0.1}
                for reading in range(1, knobs["regions"] + 1):
                    time.sleep(self.delay)
                    yield Step("reading", run.tokens.texts[token], reading, knobs["regions"])
            self.attributed.append((method, token))
            row = run.unembedding.rows[run.unembedding.index(run.tokens.ids[token])]
            scores = run.scale(1.0).states.astype(np.float32) @ row.astype(np.float32)
            made[key] = scores[::-1].copy()
            yield Step("map", run.tokens.texts[token], done, len(left))
        yield run.with_attributions(made, notes)

    def stream_regions(
        self, run: Run, word: Any, plan: RegionPlan, tiling: Tiling
    ) -> Iterator[Any]:
        """Find that a word needs only the last `needs` parts."""

        def score(masks: np.ndarray) -> np.ndarray:
            return 0.1 + 0.8 * masks[:, -self.needs :].mean(axis=1, keepdims=True)

        readings = RegionReadings(score, len(tiling))
        steps = search(readings, [0], plan.search_settings(len(tiling)))
        while True:
            time.sleep(self.delay)
            try:
                yield next(steps)
            except StopIteration as end:
                yield RegionAttribution(tiling, end.value, plan.hiding)
                return

    def add_evidence(self, run: Run) -> Run:
        """Say that the first word of the answer comes from the picture, that it speaks against the
        second, and has no part in the others."""
        self.measured += 1
        answer, probs = run.indices(ANSWER), run.probs.copy()
        probs[answer[:1]] = 0.9
        empty = np.stack([probs[answer]] * len(EMPTY))
        empty[:, :1] = 0.1
        empty[:, 1:2] = np.minimum(1, empty[:, 1:2] + 0.5)
        return replace(run, probs=probs, evidence=Evidence(EMPTY, empty))

    def add_sources(self, run: Run) -> Run:
        """Say that the first word rests on the picture, the second on the prompt, and all others on
        earlier words."""
        self.measured += 1
        answer = run.indices(ANSWER)
        without = np.stack([run.probs[answer]] * len(SOURCES))
        for at in range(len(answer)):
            without[min(at, len(SOURCES) - 1), at] = 0
        return replace(run, sources=without)

    def token_probabilities(self, run: Run, variants: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
        """Say that each word is as probable as much of its box has the colours of the picture,
        `the` whatever they are."""
        self.read += len(variants)
        time.sleep(self.delay)
        probs = np.tile(run.probs[run.indices(ANSWER)], (len(variants), 1))
        for row, pictures in zip(probs, variants, strict=True):
            same = np.all(pictures[0] == run.images[0], axis=2)
            for i, token in enumerate(run.indices(ANSWER)):
                x0, y0, x1, y1 = map(int, box_of(i % 16))
                box = same[y0:y1, x0:x1]
                if box.size and run.tokens.texts[token] != " the":
                    row[i] *= box.mean()
        return probs

    def probabilities_without(self, run: Run, regions: Sequence[Region], fill: str) -> np.ndarray:
        """Say that each word is as probable as much of its box is left, `the` whatever is left."""
        self.hid.append((len(regions), fill))
        time.sleep(self.delay)
        probs = np.tile(run.probs[run.indices(ANSWER)], (len(regions), 1))
        for row, region in enumerate(regions):
            gone = region.mask(*run.images[region.image].shape[:2])
            for i, token in enumerate(run.indices(ANSWER)):
                x0, y0, x1, y1 = map(int, box_of(i % 16))
                box = gone[y0:y1, x0:x1]  # small pictures do not reach every box
                if box.size and run.tokens.texts[token] != " the":
                    probs[row, i] *= 1 - box.mean()
        return probs

    def _with(self, run: Run, alpha: float) -> Run:
        """Return the run with a scale whose states are the nearest ones of scale 1."""
        first = run.scale(1.0)
        side = GRIDS.get(alpha, (max(2, round(21 * alpha)),) * 2)[0]
        at = np.minimum(20, (np.arange(side) + 0.5) / side * 21).astype(int)
        states = first.states.reshape(-1, 21, 21, first.states.shape[1])[:, at][:, :, at]
        views = []
        for i, image in enumerate(run.images):
            height, width = image.shape[:2]
            rects = grid_rects((side, side), (0.0, 0.0, width, height))
            views.append(View(i, (side, side), rects))
        states = states.reshape(-1, states.shape[-1])
        return run.with_scale(replace(first, alpha=alpha, views=tuple(views), states=states))
