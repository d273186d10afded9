"""Measure what bfloat16 does to the maps of the bundled models, against float32.

    python -m tests.bfloat16_maps --scenes 10

For each bundled model: scenes are recorded in float32, the same answer is read by the model in
bfloat16, and the maps of every word of both are compared: their correlation, and the overlap
(intersection over union) of what the outline encloses, the cells above Otsu's threshold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from explainer import METHODS, load
from explainer.emoji_world.scenes import Limits, make_scene
from explainer.evaluation.report import machine
from explainer.methods.otsu import stands_out
from explainer.models.loading.catalogue import bundled
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER
from explainer.serving.model_flags import silence_libraries

FIRST_SEED = 7_000_000
SHOWN = ("msea_arc", "tam", "logit_lens")
SIDE = 336


def agreement(one: npt.NDArray, other: npt.NDArray) -> tuple[float, float]:
    """Return correlation and overlap of two maps (h, w); NaN for a map that is flat."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return np.nan, np.nan
    inside = [stands_out(values) for values in (one, other)]
    union = np.logical_or(*inside).sum()
    overlap = np.logical_and(*inside).sum() / union if union else np.nan
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1]), float(overlap)


def compare(exact: Explainer, rounded: Explainer, seed: int) -> Iterator[tuple[str, float, float]]:
    """Yield method, correlation and overlap for each word of the answer to one scene."""
    image = make_scene(seed, Limits(count=(2, 3)), (SIDE, SIDE)).image
    prompt = "Describe the image."
    run = exact.record(image, prompt)
    answer = "".join(run.tokens.texts[i] for i in run.indices(ANSWER))
    first = exact.record(image, prompt, answer=answer)
    second = rounded.record(image, prompt, answer=answer)
    for name in SHOWN:
        for token in first.indices(ANSWER):
            maps = [METHODS[name](r, int(token)).values for r in (first, second)]
            yield name, *agreement(*maps)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each bundled model and method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=10)
    scenes = parser.parse_args(argv).scenes
    silence_libraries()
    print(f"{machine()}, seeds {FIRST_SEED} to {FIRST_SEED + scenes - 1}")
    print(
        "| model | method | correlation: median, 5 % | overlap of outlines: median, 5 % | words |"
    )
    print("| --- | --- | --- | --- | --- |")
    for entry in bundled():
        pair = [load(entry.folder, device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16")]
        rows = [row for i in range(scenes) for row in compare(*pair, FIRST_SEED + i)]
        for name in SHOWN:
            figures = np.array([row[1:] for row in rows if row[0] == name])
            half, low = np.nanmedian(figures, 0), np.nanpercentile(figures, 5, 0)
            told = [f"{a:.3f}, {b:.3f}" for a, b in zip(half, low, strict=True)]
            print(f"| {entry.id} | {name} | {told[0]} | {told[1]} | {len(figures)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
