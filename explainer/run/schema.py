"""The parts of a `Run`, checked on construction. `fields` defines the dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError

RoleName = Literal["template", "prompt", "answer", "system", "earlier_prompt", "earlier_answer"]

TEMPLATE, PROMPT, ANSWER, SYSTEM, EARLIER_PROMPT, EARLIER_ANSWER = range(6)
ROLE_NAMES: Sequence[RoleName] = (
    "template",
    "prompt",
    "answer",
    "system",
    "earlier_prompt",
    "earlier_answer",
)
SOURCES = ("picture", "prompt", "words")  # what a word of the answer may rest on
LONG_ANSWER = 256  # tokens; what a longer one may take of the memory is told before it begins
MOST_TURNS = 32  # of a conversation, besides the one that is recorded


class Turn(NamedTuple):
    """An earlier prompt about the same pictures, and what was answered to it."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Conversation:
    """What a model reads besides the pictures and the prompt.

    Attributes:
        system: the system prompt, which stands before the pictures; "" for that of the template.
        turns: the earlier turns, oldest first; they stand between the pictures and the prompt.
    """

    system: str = ""
    turns: tuple[Turn, ...] = ()


NOTHING_SAID = Conversation()


def check_array(
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
        roles: (T,) uint8, one of the roles above, which index `ROLE_NAMES`.
        positions: (T,) int32, sequence index at which the token is fed in. The model state that
            predicts it sits one position earlier.
    """

    ids: npt.NDArray[np.int32]
    texts: tuple[str, ...]
    roles: npt.NDArray[np.uint8]
    positions: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.texts)
        check_array("tokens.ids", self.ids, (n,), np.int32)
        check_array("tokens.roles", self.roles, (n,), np.uint8)
        check_array("tokens.positions", self.positions, (n,), np.int32)
        if n == 0 or np.any(np.diff(self.positions) <= 0) or np.any(self.roles >= len(ROLE_NAMES)):
            raise RunError(
                f"tokens: positions must increase and roles lie in 0 to {len(ROLE_NAMES) - 1}"
            )

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
        check_array(
            f"rects of a view of image {self.image}", self.rects, (len(self), 4), np.float32
        )

    def __len__(self) -> int:
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True, eq=False)
class Scale:
    """The visual states of one prefill of the images at scale factor `alpha`.

    Attributes:
        alpha: scale factor of Eq. 3; 1.0 is the size at which the answer was generated.
        views: the grids of visual tokens. The first one on an image is its base view, on whose grid
            maps of it are drawn; others (such as a thumbnail beside tiles) are further readings.
        states: (N, d) float16, last-layer states after the final norm.
        base_id: the non-special vocabulary id with the smallest summed visual logit (A_0 of Eq. 8).
        least_id: the same among all ids, including special and unused ones; None in older files.
    """

    alpha: float
    views: tuple[View, ...]
    states: npt.NDArray[np.float16]
    base_id: int
    least_id: int | None = None

    def __post_init__(self) -> None:
        n = sum(map(len, self.views))
        check_array(f"scale {self.alpha} states", self.states, (n, None), np.float16)

    @property
    def nbytes(self) -> int:
        return self.states.nbytes + sum(view.rects.nbytes for view in self.views)

    def of_image(self, image: int) -> list[tuple[View, slice]]:
        """Return the views of one image, base view first, each with its slice of the N tokens."""
        stops = np.cumsum([len(view) for view in self.views]).tolist()
        return [
            (view, slice(stop - len(view), stop))
            for view, stop in zip(self.views, stops, strict=True)
            if view.image == image
        ]


@dataclass(frozen=True, eq=False)
class Video:
    """The frames of a video that a model read.

    Attributes:
        frames: (F, H, W, 3) uint8.
        times: (F,) float64, time of each frame in seconds.
        interval: mean number of seconds between frames.
        numbers: indices of the frames in the file, counted from 0.
    """

    frames: npt.NDArray[np.uint8]
    times: npt.NDArray[np.float64]
    interval: float
    numbers: tuple[int, ...]

    def __post_init__(self) -> None:
        f = len(self.numbers)
        check_array("video.frames", self.frames, (f, None, None, 3), np.uint8)
        check_array("video.times", self.times, (f,), np.float64)
        if not f or np.any(np.diff(self.times) < 0) or not 0 < self.interval < np.inf:
            raise RunError("video: frames must follow each other in time")


@dataclass(frozen=True, eq=False)
class Unembedding:
    """The rows of the unembedding matrix W for U ids.

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
        check_array("unembedding.ids", self.ids, (u,), np.int32)
        check_array("unembedding.rows", self.rows, (u, None), np.float16)
        check_array("unembedding.bias", self.bias, (u,), np.float32)
        if np.any(np.diff(self.ids) <= 0):
            raise RunError("unembedding.ids must be strictly increasing")

    def index(self, ids: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """Return the row number of each id; raise `RunError` for an id without a row."""
        ids = np.asarray(ids)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        missing = np.unique(ids[self.ids[at] != ids])
        if missing.size:
            raise RunError(f"the run holds no unembedding row for id {missing.tolist()}")
        return at


@dataclass(frozen=True, eq=False)
class Evidence:
    """Probabilities of the answer with other pictures in place of the run's.

    Attributes:
        fills: the fill of each, a name in `fills.FILLS`.
        probs: (F, R) float32 in [0, 1], probability (temperature 1) of each of the R answer tokens
            after the same prompt and the answer before it.
    """

    fills: tuple[str, ...]
    probs: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        check_array("evidence", self.probs, (len(self.fills), None), np.float32)
        if not self.fills or len(set(self.fills)) != len(self.fills):
            raise RunError("evidence needs at least one fill, and each once")


@dataclass(frozen=True, eq=False)
class Layer:
    """The states after one decoder layer, x^l after the model's final norm (logit lens).

    Attributes:
        number: number of the layer, counted from 1.
        scales: the same scales, with the states of this layer and the views of the run.
        states, topk, candidate_probs, probs: as in `Run`, of this layer's states.
    """

    number: int
    scales: tuple[Scale, ...]
    states: npt.NDArray[np.float16]
    topk: npt.NDArray[np.int32]
    candidate_probs: npt.NDArray[np.float32]
    probs: npt.NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        arrays = (self.states, self.topk, self.candidate_probs, self.probs)
        return sum(a.nbytes for a in arrays) + sum(s.states.nbytes for s in self.scales)


@dataclass(frozen=True)
class Chip:
    """One clickable piece of text: a token, or the tokens that together spell one character."""

    tokens: tuple[int, ...]
    text: str
    role: int
