"""The equations written down cell by cell, to check the fast code against.

Nothing here is shared with the package except the record itself.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from explainer.run import ANSWER, PROMPT, TEMPLATE, Run


def row(run: Run, token_id: int) -> np.ndarray:
    at = list(run.unembedding.ids).index(token_id)
    return run.unembedding.rows[at].astype(float)


@cache
def readings(run: Run, token_id: int, alpha: float, image: int) -> list[np.ndarray]:
    """Return a_i(k) on every grid on an image of which every token saw its part (Eq. 2)."""
    scale = next(s for s in run.scales if s.alpha == alpha)
    class_row = row(run, token_id)
    values = [float(class_row @ z.astype(float)) for z in scale.states]
    grids = []
    for view in scale.views:
        mine, values = values[: len(view)], values[len(view) :]
        if view.image == image:
            grids.append(np.array(mine).reshape(view.grid))
    return grids


def lens(run: Run, token_id: int, alpha: float = 1.0, image: int = 0) -> np.ndarray:
    """Return a_i(k) on the base grid of an image at a scale."""
    return readings(run, token_id, alpha, image)[0]


def together(run: Run, token_id: int) -> np.ndarray:
    """Return a_i(k) on the base grids of all images at scale 1, one after the other, flat."""
    maps = [lens(run, token_id, 1.0, image) for image in range(len(run.images))]
    return np.concatenate([m.ravel() for m in maps])


def apart(run: Run, cells: np.ndarray) -> list[np.ndarray]:
    """Return the map of each image from the cells of all."""
    maps = []
    for image in range(len(run.images)):
        rows, columns = next(v.grid for v in run.scales[0].views if v.image == image)
        maps.append(cells[: rows * columns].reshape(rows, columns))
        cells = cells[rows * columns :]
    return maps


def score(run: Run, token_id: int, state: int) -> float:
    """Return max(0, W[k] . h) at one row of `run.states`."""
    return max(0.0, float(row(run, token_id) @ run.states[state].astype(float)))


def enlarge(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return bilinear interpolation with half-pixel centres, held at the edge."""
    out, cells = np.zeros(shape), values.tolist()
    across = [between(j, values.shape[1], shape[1]) for j in range(shape[1])]
    for i in range(shape[0]):
        y0, y1, fy = between(i, values.shape[0], shape[0])
        for j, (x0, x1, fx) in enumerate(across):
            out[i, j] = (1 - fy) * ((1 - fx) * cells[y0][x0] + fx * cells[y0][x1]) + fy * (
                (1 - fx) * cells[y1][x0] + fx * cells[y1][x1]
            )
    return out


def between(at: int, cells: int, pixels: int) -> tuple[int, int, float]:
    """Return the two cells between whose centres a pixel's lies, and how far it is on the way."""
    place = min(max((at + 0.5) * cells / pixels - 0.5, 0), cells - 1)
    first = int(place)
    return first, min(first + 1, cells - 1), place - first


def rank_gaussian(values: np.ndarray, flat: str = "keep", border: str = "mirror") -> np.ndarray:
    """Return the 3 x 3 rank Gaussian filter; `flat` = "zero" for windows without deviation."""
    h, w = values.shape
    out = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            window = []
            for di in (-1, 0, 1):
                for dj in (-1, 0, 1):
                    y, x = i + di, j + dj
                    if not (0 <= y < h and 0 <= x < w):
                        if border == "inside":
                            continue
                        y, x = (
                            (mirrored(y, h), mirrored(x, w))
                            if border == "mirror"
                            else (
                                min(max(y, 0), h - 1),
                                min(max(x, 0), w - 1),
                            )
                        )
                    window.append(values[y, x])
            window.sort()
            n = len(window)
            mu = sum(window) / n
            if mu <= 0:
                continue
            if flat == "zero" and np.array(window, np.float32).std() == 0:
                continue
            if window[0] == window[-1]:
                out[i, j] = window[0]
                continue
            cv = math.sqrt(sum((v - mu) ** 2 for v in window) / n) / mu
            g = [math.exp(-((m - (n - 1) / 2) ** 2) / (2 * cv * cv)) for m in range(n)]
            if sum(g) == 0:  # two values in the middle, and all others too far to count
                out[i, j] = (window[n // 2 - 1] + window[n // 2]) / 2
                continue
            out[i, j] = sum(a * b for a, b in zip(g, window, strict=True)) / sum(g)
    return out


def mirrored(at: int, n: int) -> int:
    """Return the place on an axis of n cells that a place outside mirrors; no edge repeated."""
    at = abs(at) if n > 1 else 0
    return 2 * (n - 1) - at if at >= n else at


def overlap(first: list[int], second: list[int], p: float, variant: str) -> float:
    """Return rank-biased overlap from its definition."""
    k = len(first)
    agreement = [len(set(first[:d]) & set(second[:d])) / d for d in range(1, k + 1)]
    if variant == "average":
        return sum(agreement) / k
    value = (1 - p) * sum(p ** (d - 1) * agreement[d - 1] for d in range(1, k + 1))
    if variant == "normalised":
        return value / (1 - p**k)
    return value + agreement[-1] * p**k if variant == "extrapolated" else value


def fit(a: np.ndarray, b: np.ndarray) -> float:
    """Return argmin over x of ||a - x b||^2."""
    square = float((b * b).sum())
    return float((a * b).sum()) / square if square > 0 else 0.0


def joint(values: np.ndarray, scores: list[float]) -> np.ndarray:
    """Return the map on the common range of map and scores."""
    pool = [*values.ravel(), *scores]
    low, high = min(pool), max(pool)
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def before(run: Run, t: int, kinds: tuple[int, ...] = (PROMPT, ANSWER)) -> list[int]:
    return [j for j in range(t) if run.tokens.roles[j] in kinds and run.topk[j, 0] >= 0]


def tam(run: Run, t: int) -> list[np.ndarray]:
    """Return TAM as it is meant: every token with its own class, states that predict."""
    ids = [int(i) for i in run.tokens.ids]
    a = np.maximum(0, together(run, ids[t]))
    kept = [j for j in before(run, t) if ids[j] != ids[t]]
    total = sum(score(run, ids[t], j) for j in kept)
    interference = np.zeros_like(a)
    for j in kept:
        if total > 0:
            interference += score(run, ids[t], j) / total * np.maximum(0, together(run, ids[j]))
    clean = np.maximum(0, a - fit(a, interference) * interference)
    shown = joint(clean, [score(run, ids[t], j) for j in before(run, t)])
    return [rank_gaussian(m, border="edge") for m in apart(run, shown)]


def tam_published(run: Run) -> list[list[np.ndarray]]:
    """Return the 8-bit maps of every entry, prompt then answer, as the reference code has them."""
    prompt = [i for i, role in enumerate(run.tokens.roles) if role == PROMPT]
    answer = [i for i, role in enumerate(run.tokens.roles) if role == ANSWER]
    text = [run.tokens.texts[i] for i in prompt + answer]
    images: list[np.ndarray] = []
    maps = []
    for c in range(len(prompt) + len(answer)):
        if c == 0:
            k = int(run.topk[prompt[0] + 1, 0])  # what the model says after the first prompt token
        elif c == len(prompt):
            k = int(run.tokens.ids[answer[0] - 1])  # last token of the template
        else:
            k = int(run.tokens.ids[(prompt + answer)[c]])
        image = np.maximum(0, together(run, k))
        images.append(image)
        last = max(0, c - len(prompt))
        scores = [score(run, k, p + 1) for p in prompt]
        scores += [score(run, k, answer[r]) for r in range(last + 1)]
        clean = image
        kept = [i for i in range(c) if text[i] != text[c]]
        if c > 0 and kept:
            total = sum(scores[i] for i in kept) + 1e-8
            interference = sum(scores[i] / total * images[i] for i in kept)
            clean = np.maximum(0, image - fit(image, interference) * interference)
        shown = apart(run, joint(clean, scores[:-1]))
        maps.append([np.floor(255 * rank_gaussian(m, flat="zero")) for m in shown])
    return maps


@cache
def enlarged(
    run: Run, token_id: int, alpha: float, image: int, clipped: bool, shape: tuple[int, int]
) -> list[np.ndarray]:
    """Return the readings on an image at a scale, without what is below 0 if `clipped`."""
    grids = readings(run, token_id, alpha, image)
    return [enlarge(np.maximum(0, grid) if clipped else grid, shape) for grid in grids]


def fused(
    run: Run, ids: dict[float, int], fuse: str, clip: str, told=None, at: str = "tokens"
) -> np.ndarray:
    """Return A of Eq. 5 on all images, flat; `ids` gives the class at each scale, `told` the
    weights of the scales; `at` whether on the token grid or at the size of the picture."""
    maps, told = [], dict(zip(ids, told or [1.0] * len(ids), strict=True))
    for image in range(len(run.images)):
        shape = lens(run, ids[next(iter(ids))], 1.0, image).shape
        shape = run.images[image].shape[:2] if at == "pixels" else shape
        layers, weights = [], []
        for alpha, token_id in ids.items():
            for layer in enlarged(run, token_id, alpha, image, clip == "per_scale", shape):
                layers.append(layer)
                weights.append(told[alpha])
        mean = sum(w * layer for w, layer in zip(weights, layers, strict=True)) / sum(weights)
        out = mean if fuse == "mean" else np.max(layers, axis=0)
        maps.append(np.maximum(0, out).ravel() if clip == "fused" else out.ravel())
    return np.concatenate(maps)


def msea_arc(run: Run, t: int, s: dict) -> tuple[np.ndarray, float, float]:
    """Return (cleaned cells before normalisation, beta, automatic beta) by Eq. 5 to 9."""
    steps = derivation(run, t, s)
    return steps["cleaned"], steps["beta"], steps["auto"]


def derivation(run: Run, t: int, s: dict) -> dict:
    """Return every quantity of Eq. 5 to 9 on the way to the cleaned map.

    `weights` and `maps`, weight times map, are by token that counts, and "base" for A_0.
    """
    ids = [int(i) for i in run.tokens.ids]
    words = [text.strip().lower() for text in run.tokens.texts]
    fusion = s["fuse"], s["clip"], s["scale_weights"], s["fuse_at"]

    def a(token_id: int) -> np.ndarray:
        return fused(run, dict.fromkeys(s["scales"], token_id), *fusion)

    def guesses(j: int) -> list[int]:
        state = j if s["state"] == "predicting" else j + 1
        return [int(i) for i in run.topk[state, : s["k"]]]

    kinds = {"content": (PROMPT, ANSWER), "answer": (ANSWER,), "all": (TEMPLATE, PROMPT, ANSWER)}
    kept = []
    for j in before(run, t, kinds[s["predecessors"]]):
        if s["repeats"] != "keep" and ids[j] == ids[t]:
            continue
        if s["repeats"] == "drop_word" and words[j] == words[t]:
            continue
        if (
            s["state"] == "own"
            and s["weights"] == "rbo"
            and run.tokens.positions[j + 1] != run.tokens.positions[j] + 1
        ):
            continue
        kept.append(j)
    most = max((score(run, ids[t], j) for j in kept), default=0.0)

    def weight(j: int) -> float:
        if s["weights"] == "score":
            return score(run, ids[t], j) / most if most > 0 else 0.0
        if s["weights"] == "rbo":
            return 1 - overlap(guesses(j), guesses(t), s["p"], s["rbo"])
        return 1.0

    weights = {j: weight(j) for j in kept}
    maps = {j: weights[j] * a(ids[j]) for j in kept}
    if s["base"] == "raw":
        raw = fused(run, {1.0: run.scales[0].least_id}, "mean", s["clip"], None, s["fuse_at"])
        weights["base"], maps["base"] = 1.0, raw
    elif s["base"] != "off":
        chosen = {x.alpha: x.base_id for x in run.scales}
        base = {x: chosen[1.0 if s["base"] == "scale1" else x] for x in s["scales"]}
        weights["base"], maps["base"] = 1.0, fused(run, base, *fusion)
    own, total = a(ids[t]), sum(weights.values())
    nothing = np.zeros_like(own)
    interference = sum(maps.values(), nothing) / total if total > 0 else nothing
    auto = fit(own, interference)
    auto = max(0.0, auto) if s["beta_range"] == "nonnegative" else auto
    beta = auto if s["beta"] is None else s["beta"]
    return {
        "own": own,
        "weights": weights,
        "maps": maps,
        "interference": interference,
        "beta": beta,
        "auto": auto,
        "cleaned": np.maximum(0, own - beta * interference),
    }
