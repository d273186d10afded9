"""The record of one answer: what is needed to explain any of its tokens, and nothing more.

Dimensions used in every shape below:

    T    text tokens: template, prompt and answer tokens, in sequence order, visual tokens left out
    N    visual tokens at one scale: those of all views, view after view, each row-major
    U    vocabulary ids whose unembedding rows travel with the run
    K    length of the stored top-K lists
    C    candidates with stored probabilities (the first C of the top-K list)
    d    hidden size of the language model

A `Run` holds no tensor of a model and no reference to one. Methods are pure functions of it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.errors import RunError, ScaleError, TokenError

TEMPLATE, PROMPT, ANSWER = 0, 1, 2
ROLE_NAMES = ("template", "prompt", "answer")

# Which map of a comparison method: (method, token, ((option, value), ...) sorted by name).
AttributionKey = tuple[str, int, tuple[tuple[str, Any], ...]]

_SHARED = ("_rows", "_visual", "text_logits")  # kept products that no token has a part in

FORMAT = "sightline-run"
FORMAT_VERSION = 2  # version 1, of one picture with one grid, is read as well


def _check(
    name: str, array: np.ndarray, shape: tuple[int | None, ...], dtype: npt.DTypeLike
) -> None:
    """Raise `RunError` unless `array` has this dtype and shape (None matches any length)."""
    fits = len(array.shape) == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != np.dtype(dtype):
        raise RunError(
            f"{name}: got {array.dtype} {array.shape}, expected {np.dtype(dtype)} "
            f"({', '.join('any' if n is None else str(n) for n in shape)})"
        )


@dataclass(frozen=True, eq=False)
class Tokens:
    """The T text tokens of a run.

    Attributes:
        ids: (T,) int32, vocabulary ids.
        texts: T strings whose concatenation is the decoded text. A character split over several
            tokens stands whole in the first of them; the others hold "".
        roles: (T,) uint8, `TEMPLATE`, `PROMPT` or `ANSWER`.
        positions: (T,) int32, sequence index at which the token is fed in. The model state that
            predicts it sits one position earlier.
    """

    ids: npt.NDArray[np.int32]
    texts: tuple[str, ...]
    roles: npt.NDArray[np.uint8]
    positions: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.texts)
        _check("tokens.ids", self.ids, (n,), np.int32)
        _check("tokens.roles", self.roles, (n,), np.uint8)
        _check("tokens.positions", self.positions, (n,), np.int32)
        if n == 0 or np.any(np.diff(self.positions) <= 0) or np.any(self.roles > ANSWER):
            raise RunError("tokens: positions must increase and roles be 0, 1 or 2")

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, eq=False)
class View:
    """One rectangular grid of visual tokens on one image.

    Attributes:
        image: index into `Run.images`.
        grid: (rows, columns) of visual tokens, n = rows * columns.
        rects: (n, 4) float32, row-major, rectangle (x0, y0, x1, y1) of each token in pixels of the
            image; NaN where the token saw nothing of it.
    """

    image: int
    grid: tuple[int, int]
    rects: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        _check(f"rects of a view of image {self.image}", self.rects, (len(self), 4), np.float32)

    def __len__(self) -> int:
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True, eq=False)
class Scale:
    """What one prefill of the images at scale factor `alpha` left behind.

    Attributes:
        alpha: scale factor of Eq. 3; 1.0 is the size at which the answer was generated.
        views: the grids of visual tokens. The first one on an image is its base view, on whose grid
            maps of it are drawn; others (such as a thumbnail beside tiles) are further readings.
        states: (N, d) float16, last-layer states after the final norm.
        base_id: the ordinary vocabulary id with the smallest summed visual logit (A_0 of Eq. 8).
    """

    alpha: float
    views: tuple[View, ...]
    states: npt.NDArray[np.float16]
    base_id: int

    def __post_init__(self) -> None:
        n = sum(map(len, self.views))
        _check(f"scale {self.alpha} states", self.states, (n, None), np.float16)

    @property
    def nbytes(self) -> int:
        return self.states.nbytes + sum(view.rects.nbytes for view in self.views)

    def of_image(self, image: int) -> list[tuple[View, slice]]:
        """Return the views on one image, base view first, each with its place among the N."""
        stops = np.cumsum([len(view) for view in self.views]).tolist()
        return [
            (view, slice(stop - len(view), stop))
            for view, stop in zip(self.views, stops, strict=True)
            if view.image == image
        ]


@dataclass(frozen=True, eq=False)
class Video:
    """The frames of a video that a model was shown.

    Attributes:
        frames: (F, H, W, 3) uint8.
        times: (F,) float64, seconds at which they stand in the video.
        interval: seconds from one of them to the next, on average.
        numbers: which frames of the file they are, counted from 0.
    """

    frames: npt.NDArray[np.uint8]
    times: npt.NDArray[np.float64]
    interval: float
    numbers: tuple[int, ...]

    def __post_init__(self) -> None:
        f = len(self.numbers)
        _check("video.frames", self.frames, (f, None, None, 3), np.uint8)
        _check("video.times", self.times, (f,), np.float64)
        if not f or np.any(np.diff(self.times) < 0) or not 0 < self.interval < np.inf:
            raise RunError("video: frames must follow each other in time")


@dataclass(frozen=True, eq=False)
class Unembedding:
    """Rows of the unembedding matrix W for the ids in play.

    Attributes:
        ids: (U,) int32, strictly increasing.
        rows: (U, d) float16.
        bias: (U,) float32, zeros where the model's lm_head has none.
    """

    ids: npt.NDArray[np.int32]
    rows: npt.NDArray[np.float16]
    bias: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        u = len(self.ids)
        _check("unembedding.ids", self.ids, (u,), np.int32)
        _check("unembedding.rows", self.rows, (u, None), np.float16)
        _check("unembedding.bias", self.bias, (u,), np.float32)
        if np.any(np.diff(self.ids) <= 0):
            raise RunError("unembedding.ids must be strictly increasing")

    def index(self, ids: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """Return the row number of each id; `RunError` if one has no row here."""
        ids = np.asarray(ids)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        missing = np.unique(ids[self.ids[at] != ids])
        if missing.size:
            raise RunError(f"the run holds no unembedding row for id {missing.tolist()}")
        return at


@dataclass(frozen=True)
class Chip:
    """One clickable piece of text: a token, or the tokens that together spell one character."""

    tokens: tuple[int, ...]
    text: str
    role: int


@dataclass(frozen=True, eq=False)
class Run:
    """One recorded answer. See the module docstring for the dimensions.

    Attributes:
        images: one or more (H, W, 3) uint8, the pictures as the model was given them.
        prompt: the user's text.
        model_id: hub id or folder name, with `revision` in `settings` if one was pinned.
        tokens: the T text tokens.
        states: (T + 1, d) float16, post-norm states: row t is the state that predicts token t (at
            position `tokens.positions[t] - 1`), row T the state at the last token. Row 0 is zero
            when nothing precedes token 0.
        topk: (T + 1, K) int32, ids with the highest logits for each row of `states`, best first;
            -1 where there is no state.
        candidate_probs: (T + 1, C) float32, softmax over the whole vocabulary of the first C ids of
            `topk`, temperature 1.
        probs: (T,) float32, probability (temperature 1) of each token at its turn; NaN if unknown.
        scales: the recorded scales; the first is alpha = 1.
        unembedding: W rows of all ids in play.
        pieces: text of every id that occurs in `topk`.
        settings: JSON values: scales asked for, decoding, seed, dtype, versions, seconds, finish.
        labels: what each image is, for people; "" where there is nothing to say.
        video: the frames, if a video was asked about. A model reads them in K steps of F / K frames
            each, and `images` are the first frames of the steps.
        attributions: (N,) float32 each, signed maps of comparison methods over the visual tokens of
            scale 1, computed by `Explainer.attribute` with the model.
    """

    images: tuple[npt.NDArray[np.uint8], ...]
    prompt: str
    model_id: str
    tokens: Tokens
    states: npt.NDArray[np.float16]
    topk: npt.NDArray[np.int32]
    candidate_probs: npt.NDArray[np.float32]
    probs: npt.NDArray[np.float32]
    scales: tuple[Scale, ...]
    unembedding: Unembedding
    pieces: Mapping[int, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    video: Video | None = None
    attributions: Mapping[AttributionKey, npt.NDArray[np.float32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        t, d = len(self.tokens), self.states.shape[-1]
        if not self.images or len(self.labels) not in (0, len(self.images)):
            raise RunError(f"got {len(self.images)} images with {len(self.labels)} labels")
        if not self.labels:
            object.__setattr__(self, "labels", ("",) * len(self.images))
        for image in self.images:
            _check("image", image, (None, None, 3), np.uint8)
        if self.video is not None and len(self.video.frames) % len(self.images):
            raise RunError("the frames of a video must be as many for each image")
        _check("states", self.states, (t + 1, d), np.float16)
        _check("topk", self.topk, (t + 1, None), np.int32)
        _check("candidate_probs", self.candidate_probs, (t + 1, None), np.float32)
        _check("probs", self.probs, (t,), np.float32)
        _check("unembedding.rows", self.unembedding.rows, (None, d), np.float16)
        if not self.scales or self.scales[0].alpha != 1.0:
            raise RunError("the first scale of a run must be alpha = 1")
        for scale in self.scales:
            _check(f"scale {scale.alpha} states", scale.states, (None, d), np.float16)
            if {view.image for view in scale.views} != set(range(len(self.images))):
                raise RunError(
                    f"scale {scale.alpha}: every image needs a view, and a view an image"
                )
        if len({scale.alpha for scale in self.scales}) != len(self.scales):
            raise RunError("a run holds each scale once")
        for (method, token, _), values in self.attributions.items():
            self.check_token(token)
            _check(f"map of {method}", values, (len(self.scales[0].states),), np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the record only, not what was derived from it."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # What is in it -------------------------------------------------------------------------------

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """Return the first image; most runs have no other."""
        return self.images[0]

    @property
    def media(self) -> tuple[npt.NDArray[np.uint8], ...] | Video:
        """Return what the model was asked about: the images, or the video they are from."""
        return self.images if self.video is None else self.video

    @property
    def alphas(self) -> tuple[float, ...]:
        """Return the recorded scale factors, alpha = 1 first."""
        return tuple(scale.alpha for scale in self.scales)

    def scale(self, alpha: float) -> Scale:
        """Return the recorded scale with this factor; `ScaleError` if it was not recorded."""
        for scale in self.scales:
            if abs(scale.alpha - alpha) < 1e-6:
                return scale
        known = ", ".join(f"{a:g}" for a in sorted(self.alphas))
        raise ScaleError(f"scale {alpha:g} was not recorded; this run holds {known}")

    def with_scale(self, scale: Scale) -> Run:
        """Return a run that also holds `scale`, replacing one with the same factor."""
        kept = tuple(s for s in self.scales if abs(s.alpha - scale.alpha) >= 1e-6)
        return replace(self, scales=(*kept, scale))

    def saying(self, token: int, token_id: int) -> Run:
        """Return the run as if another id stood in place of a token; all else is as recorded.

        The state that predicts the token, and everything before it, does not depend on what stands
        there, so that a map of the token in the new run is that of the other word, with no
        approximation. Later tokens and the token's own state are still those after the old word.
        Maps of comparison methods for this token are left out. Raises `RunError` without a row of
        W for the id.
        """
        token, old = self.check_token(token), self.tokens
        self.unembedding.index([token_id])
        if token_id == old.ids[token]:
            return self
        ids, probs, texts = old.ids.copy(), self.probs.copy(), list(old.texts)
        ids[token], probs[token] = token_id, self.probability(token, token_id)
        texts[token] = self.pieces.get(token_id, f"⟨{token_id}⟩")
        changed = replace(
            self,
            tokens=Tokens(ids, tuple(texts), old.roles, old.positions),
            probs=probs,
            attributions={k: v for k, v in self.attributions.items() if k[1] != token},
        )
        self.__dict__.setdefault("_visual", {})
        shared = {name: self.__dict__[name] for name in _SHARED if name in self.__dict__}
        changed.__dict__.update(shared)
        return changed

    def probability(self, token: int, token_id: int) -> float:
        """Return how probable an id was in place of a token; NaN if that is not known.

        Recorded, for the token itself and the first C candidates. For another id with a row here it
        is worked out from the first candidate's, p e^(logit - logit of the first), which is as
        exact as float16 states and rows are.
        """
        token, top = self.check_token(token), self.topk[token]
        if token_id == self.tokens.ids[token]:
            return float(self.probs[token])
        if top[0] < 0:
            return float("nan")
        chances = self.candidate_probs[token]
        known = np.flatnonzero(top[: len(chances)] == token_id)
        if len(known):
            return float(chances[known[0]])
        if not np.isin([token_id, top[0]], self.unembedding.ids).all():
            return float("nan")
        own, first = self.text_logits[token, self.unembedding.index([token_id, top[0]])]
        return float(chances[0] * np.exp(min(0.0, float(own - first))))

    def check_token(self, token: int) -> int:
        """Return `token` as an int, or raise `TokenError` if it is not an index of a text token."""
        if isinstance(token, (bool, np.bool_)) or not isinstance(token, (int, np.integer)):
            raise TokenError(f"a token is an index (int), got {type(token).__name__}")
        if not 0 <= token < len(self.tokens):
            raise TokenError(f"token {token} is outside 0..{len(self.tokens) - 1}")
        return int(token)

    def indices(self, role: int) -> npt.NDArray[np.intp]:
        """Return the indices of all tokens with this role, in order."""
        return np.flatnonzero(self.tokens.roles == role)

    @property
    def answer(self) -> str:
        """Return the generated text."""
        return "".join(self.tokens.texts[i] for i in self.indices(ANSWER))

    @cached_property
    def chips(self) -> tuple[Chip, ...]:
        """Return the clickable pieces in order; tokens that share one character share a chip."""
        groups: list[list[int]] = []
        for i, text in enumerate(self.tokens.texts):
            starts = text or not groups or self.tokens.roles[i] != self.tokens.roles[i - 1]
            if starts:
                groups.append([i])
            else:
                groups[-1].append(i)
        return tuple(
            Chip(tuple(g), self.tokens.texts[g[0]], int(self.tokens.roles[g[0]])) for g in groups
        )

    @property
    def nbytes(self) -> int:
        """Return the bytes held by the arrays of the record."""
        shown = self.images if self.video is None else (self.video.frames,)
        arrays = (*shown, self.states, self.topk, self.candidate_probs, self.probs)
        arrays += (self.unembedding.ids, self.unembedding.rows, self.unembedding.bias)
        arrays += tuple(self.attributions.values())
        text = sum(map(len, self.pieces.values()))
        return sum(a.nbytes for a in arrays) + sum(s.nbytes for s in self.scales) + text

    # Logits by the lens --------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> npt.NDArray[np.float32]:
        return self.unembedding.rows.astype(np.float32)

    def visual_logits(self, alpha: float) -> npt.NDArray[np.float32]:
        """Return a (U, N) float32: logit of every id in play at every visual token (Eq. 2).

        Computed once for each scale and kept; read-only.
        """
        scale = self.scale(alpha)
        cache = self.__dict__.setdefault("_visual", {})
        if scale.alpha not in cache:
            logits = self._rows @ scale.states.astype(np.float32).T
            logits += self.unembedding.bias[:, None]
            logits.setflags(write=False)
            cache[scale.alpha] = logits
        return cache[scale.alpha]

    @cached_property
    def text_logits(self) -> npt.NDArray[np.float32]:
        """Return (T + 1, U) float32: logit of every id in play at every text state; read-only."""
        logits = self.states.astype(np.float32) @ self._rows.T + self.unembedding.bias
        logits.setflags(write=False)
        return logits

    # One file ------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the run as one `.npz` of plain arrays (no pickle); pictures are kept as PNG."""
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "prompt": self.prompt,
            "model_id": self.model_id,
            "settings": dict(self.settings),
            "texts": list(self.tokens.texts),
            "pieces": {str(i): s for i, s in self.pieces.items()},
            "labels": list(self.labels),
            "video": self.video
            and {"interval": self.video.interval, "numbers": self.video.numbers},
            "scales": [
                {
                    "alpha": s.alpha,
                    "base_id": s.base_id,
                    "views": [[v.image, *v.grid] for v in s.views],
                }
                for s in self.scales
            ],
            "attributions": [[*key] for key in self.attributions],
        }
        arrays = {
            "header": np.frombuffer(json.dumps(header).encode("utf-8", "surrogatepass"), np.uint8),
            "ids": self.tokens.ids,
            "roles": self.tokens.roles,
            "positions": self.tokens.positions,
            "states": self.states,
            "topk": self.topk,
            "candidate_probs": self.candidate_probs,
            "probs": self.probs,
            "unembedding_ids": self.unembedding.ids,
            "unembedding_rows": self.unembedding.rows,
            "unembedding_bias": self.unembedding.bias,
        }
        if self.attributions:
            arrays["attributions"] = np.stack([*self.attributions.values()])
        stored = self.images
        if self.video is not None:
            stored, arrays["video_times"] = tuple(self.video.frames), self.video.times
        for i, image in enumerate(stored):
            arrays[f"image{i}_png"] = np.frombuffer(_png(image), np.uint8)
        for i, scale in enumerate(self.scales):
            rects = np.concatenate([view.rects for view in scale.views])
            arrays |= {f"scale{i}_states": scale.states, f"scale{i}_rects": rects}
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read a run that `save` wrote. `RunError` if the file is something else or damaged."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls._from_arrays(dict(file))
        except RunError:
            raise
        except FileNotFoundError:
            raise RunError(f"no such file: {path}") from None
        except Exception as error:  # zip, deflate, npy, JSON and PNG readers each raise their own
            raise RunError(f"{Path(path).name} is not a recorded run, or is damaged") from error

    @classmethod
    def _from_arrays(cls, a: Mapping[str, np.ndarray]) -> Run:
        header = json.loads(a["header"].tobytes().decode("utf-8", "surrogatepass"))
        if header["format"] != FORMAT or header["version"] not in (1, FORMAT_VERSION):
            raise RunError(f"run format {header['format']} {header['version']} is not known here")
        if header["version"] == 1:
            header, a = _from_version_1(header, a)
        images, video = _media(header, a)
        return cls(
            images=images,
            video=video,
            labels=tuple(map(str, header["labels"])),
            prompt=str(header["prompt"]),
            model_id=str(header["model_id"]),
            tokens=Tokens(a["ids"], tuple(map(str, header["texts"])), a["roles"], a["positions"]),
            states=a["states"],
            topk=a["topk"],
            candidate_probs=a["candidate_probs"],
            probs=a["probs"],
            scales=tuple(
                _scale(told, a[f"scale{i}_states"], a[f"scale{i}_rects"])
                for i, told in enumerate(header["scales"])
            ),
            unembedding=Unembedding(
                a["unembedding_ids"], a["unembedding_rows"], a["unembedding_bias"]
            ),
            pieces={int(i): str(s) for i, s in header["pieces"].items()},
            settings=header["settings"],
            attributions=_attributions(header.get("attributions", []), a),
        )


def _png(image: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _media(
    header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[tuple[npt.NDArray[np.uint8], ...], Video | None]:
    """Return the images, and the video whose frames they are."""
    told, count = header.get("video"), len(header["labels"])
    stored = len(told["numbers"]) if told else count
    images = tuple(_open_png(arrays[f"image{i}_png"]) for i in range(stored))
    if not told:
        return images, None
    frames, numbers = np.stack(images), tuple(map(int, told["numbers"]))
    video = Video(frames, arrays["video_times"], float(told["interval"]), numbers)
    return tuple(frames[:: stored // count]), video


def _open_png(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(data.tobytes()), formats=["PNG"]) as picture:
        return np.asarray(picture.convert("RGB"))


def _scale(told: Mapping[str, Any], states: np.ndarray, rects: np.ndarray) -> Scale:
    """Return a scale from its part of the header and its arrays."""
    grids = [(int(rows), int(columns)) for _, rows, columns in told["views"]]
    stops = np.cumsum([rows * columns for rows, columns in grids])
    parts = np.split(rects, stops[:-1])  # what is too much stays with the last, which refuses it
    views = tuple(
        View(int(image), grid, part)
        for (image, *_), grid, part in zip(told["views"], grids, parts, strict=True)
    )
    return Scale(float(told["alpha"]), views, states, int(told["base_id"]))


def _attributions(
    told: list[Any], arrays: Mapping[str, np.ndarray]
) -> dict[AttributionKey, npt.NDArray[np.float32]]:
    """Return the maps of comparison methods; files written before there were any hold none."""
    keys = [
        (str(method), int(token), tuple((str(name), value) for name, value in options))
        for method, token, options in told
    ]
    return dict(zip(keys, arrays["attributions"], strict=True)) if keys else {}


def _from_version_1(
    header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return header and arrays of one picture with one grid at each scale as version 2 has them."""
    scales = [
        {"alpha": alpha, "base_id": base_id, "views": [[0, rows, columns]]}
        for alpha, rows, columns, base_id in header["scales"]
    ]
    return (
        {**header, "labels": [""], "scales": scales},
        {**arrays, "image0_png": arrays["image_png"]},
    )
