"""`python -m explainer bench`: measure the speeds and sizes that the project promises.

With `--browser`, also how quickly the page answers in Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch

from explainer.commands import browser, callers, crowd
from explainer.commands.crowding import measure_crowded
from explainer.commands.figure import Figure
from explainer.commands.searching import measure_search
from explainer.emoji_world.scenes import Limits, make_scene
from explainer.errors import SightlineError
from explainer.evaluation.candidates import parse
from explainer.evaluation.datasets import Sample
from explainer.evaluation.iou import Truth
from explainer.evaluation.measure import MeasurePlan, measure
from explainer.evaluation.report import add_provenance, machine
from explainer.evaluation.synthetic import synthetic_run
from explainer.evaluation.words import FUNCTION, NOUN, Grammar
from explainer.export import Chosen, Exhibit, chips
from explainer.methods import METHODS
from explainer.models.threads import usable_cores
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, Run
from explainer.serving.model_flags import add_model_flags, load_from_flags, silence_libraries
from explainer.web.evidence_message import evidence_message
from explainer.web.one_file import one_file

HELP = "measure speed and size against the promised figures"
ROOT = Path(__file__).resolve().parents[2]
SEED = 7
PATIENCE = 60.0  # seconds until the page has to answer
STORE_MB = 64  # of the page that a crowd visits, so that what else it leaves behind is seen
SHOWN = ("msea_arc", "tam", "logit_lens")
FLOP_2B = 18.2e12  # of its forwards: vision tower and prefill at three scales, 60 tokens
QWEN2_VL_2B = {1.0: (27, 37), 0.75: (20, 28), 0.5: (14, 18)}  # tokens of 1024 x 768 at each scale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_model_flags(parser)
    parser.add_argument("--out", type=Path, help="folder for bench.json")
    parser.add_argument("--browser", action="store_true", help="measure the page in Chromium too")
    parser.add_argument("--eagle", action="store_true", help="only measure EAGLE, in minutes")
    parser.add_argument("--repeat", type=int, default=9, help="times each thing is measured")
    add = parser.add_argument
    add("--visitors", type=int, metavar="N", help="only measure a crowd of N at a served page")
    add("--callers", type=int, metavar="N", help="only measure /explain with N programs calling it")
    add("--seconds", type=float, default=180, help="how long the crowd stays, or callers call")
    add(
        "--url",
        help="a page that is served on this machine, for the crowd; default: one is started",
    )
    add("--pid", type=int, help="the process that serves --url")
    add("--files", type=Path, help="the folder of its temporary files, for --url")


def main(args: argparse.Namespace) -> int:
    """Measure, print a table, and write it to `--out`."""
    if args.repeat < 1:
        raise SightlineError(f"--repeat must be at least 1, got {args.repeat}")
    print(f"{machine()}, cores {usable_cores()}, load {os.getloadavg()[0]:.1f}")
    print("| figure | value | bar | |\n| --- | --- | --- | --- |")
    figures = []
    for figure in _measure(args):
        figures.append(figure)
        print(figure.row(), flush=True)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        about = add_provenance({"load": os.getloadavg()[0], "seed": SEED, "repeat": args.repeat})
        written = {"figures": [asdict(f) for f in figures], "about": about}
        (args.out / "bench.json").write_text(json.dumps(written, indent=2) + "\n")
    return 0


def _measure(args: argparse.Namespace) -> Iterator[Figure]:
    if args.visitors is not None:
        yield from measure_crowd(args)
        return
    if args.callers is not None:
        yield from measure_callers(args)
        return
    silence_libraries()
    explainer = load_from_flags(args)
    if args.eagle:
        yield from measure_search(explainer, SEED)
        return
    yield from measure_recording(explainer, args.repeat)
    yield measure_explaining(args.repeat)
    yield from measure_evaluation(args.repeat)
    yield measure_run_size()
    yield from measure_evidence_sizes()
    with served() as page:
        yield Figure("python app.py to page served", page.seconds, "s", 4)
        yield Figure("python app.py to model loaded", page.wait_for_model(), "s", None)
        if args.browser:
            yield from browser.measure(page.url)
    if args.browser:
        yield from measure_files()


def measure_crowd(args: argparse.Namespace) -> Iterator[Figure]:
    """Yield the figures of a crowd of visitors at a page served for it, or at `--url`."""
    crowd.check(args.url or "http://127.0.0.1", args.visitors, args.seconds)
    if args.url:
        if not args.pid or not args.files:
            raise SightlineError("--url needs --pid, which serves it, and --files, its folder")
        yield from crowd.measure(args.url, args.visitors, args.seconds, args.pid, args.files)
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = {"GRADIO_TEMP_DIR": folder, "SIGHTLINE_STORE_MB": str(STORE_MB)}
        with served(environment) as page:
            page.wait_for_model()  # so that its memory is not taken for what the crowd leaves
            yield Figure("recorded answers are kept up to", STORE_MB, "MB", None)
            yield from crowd.measure(page.url, args.visitors, args.seconds, page.pid, Path(folder))


def measure_callers(args: argparse.Namespace) -> Iterator[Figure]:
    """Yield how fast `/explain` is answered at a page that is served for it, or at `--url`."""
    crowd.check(args.url or "http://127.0.0.1", args.callers, args.seconds)
    if args.url:
        yield from callers.measure(args.url, args.callers, args.seconds)
        return
    with served() as page:
        yield from callers.measure(page.url, args.callers, args.seconds)


def measure_recording(explainer: Explainer, repeat: int) -> Iterator[Figure]:
    """Yield the time of generation in seconds, then that of recording as multiples.

    Recording with three scales is compared with generation alone, and recording on a busy machine
    with the same on an idle one. Between these comes the part of it that is packing.
    """
    image = make_scene(SEED, Limits(count=(3, 3)), (336, 336)).image
    packing = []  # shares of recordings

    def record(scales: tuple[float, ...]) -> float:
        start = time.perf_counter()
        run = explainer.record(image, "Describe the image.", scales=scales)
        seconds = time.perf_counter() - start
        packing.append(run.settings["seconds"]["pack"] / seconds)
        return seconds

    record((0.5, 0.75, 1.0))  # warm-up
    pairs = [(record((1.0,)), record((0.5, 0.75, 1.0))) for _ in range(repeat)]
    alone = statistics.median(a for a, _ in pairs)
    yield Figure("generation alone, 336x336", alone, "s", None)
    share = statistics.median(b / a for a, b in pairs)
    yield Figure("recording with three scales / generation alone", share, "x", 1.6)
    yield Figure("packing / recording", 100 * statistics.median(packing[2::2]), "%", 5)
    yield measure_crowded(lambda: record((0.5, 0.75, 1.0)), repeat)


def measure_explaining(repeat: int) -> Figure:
    """Return the time of three methods for all tokens of an answer of 40, from a fresh run."""
    rng = np.random.default_rng(SEED)

    def explain() -> float:
        run = synthetic_run(rng, n_template=20, n_prompt=6, n_answer=40, d=192, vocab=640)
        tokens = run.indices(ANSWER).tolist()
        return _seconds(lambda: [METHODS[m].explain_many(run, tokens) for m in SHOWN])

    explain()
    milliseconds = 1000 * statistics.median(explain() for _ in range(repeat))
    return Figure("three methods, all 40 tokens", milliseconds, "ms", 100)


class _Replay(Explainer):
    """An explainer that returns a recorded run in place of a model's answer."""

    def __init__(self, run: Run) -> None:
        self.family = SimpleNamespace(alphas=(0.1, 2.0))  # type: ignore[assignment]
        self._run = run

    def record(self, *_: Any, **__: Any) -> Run:
        return replace(self._run)  # without what was derived from it


def measure_evaluation(repeat: int) -> Iterator[Figure]:
    """Yield the cost of evaluating a sample outside of the model's forward passes, at 2B size.

    The maps of three methods for 60 tokens and their figures on masks of 1024 x 768 are timed. The
    time of the forward passes is computed from their floating-point operations and the speed at
    which this processor multiplies matrices; it is a lower bound, so the share is an upper one. The
    share holds where the model runs on the processor; on a GPU, whose passes take about a second,
    use the seconds.
    """
    run = _large_run()
    texts = [run.tokens.texts[i].strip() for i in run.indices(ANSWER)]
    height, width = run.image.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    masks = {i: (rows // 96 + columns // 96) % 12 == i for i in range(1, 11)}
    things = dict(zip(masks, dict.fromkeys(texts), strict=False))
    sample = Sample("bench", run.image, "", things, lambda: Truth((height, width), masks))
    words = Grammar(lambda word: FUNCTION if len(word) % 2 else NOUN, str.lower)
    plan = MeasurePlan(tuple(parse(SHOWN)), "clean", words, tuple(QWEN2_VL_2B), 64)
    times = [_seconds(lambda: measure(_Replay(run), sample, plan)) for _ in range(repeat + 1)]
    outside = statistics.median(times[1:])
    yield Figure("maps and figures of one sample at 2B dimensions", outside, "s", None)
    forwards = FLOP_2B / _flop_rate(repeat)
    share = 100 * outside / (outside + forwards)
    yield Figure("share of an evaluation outside the model's forwards, 2B on a CPU", share, "%", 5)


def _flop_rate(repeat: int) -> float:
    """Return the floating-point operations per second of a product like a 2B model's layers."""
    states, weight = torch.ones(1040, 1536), torch.ones(8960, 1536)
    seconds = min(_seconds(lambda: states @ weight.T) for _ in range(repeat + 1))
    return 2 * states.numel() * len(weight) / seconds


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_run_size() -> Figure:
    """Return the size of a saved run of a 1024 x 768 picture at the size of Qwen2-VL-2B."""
    run = _large_run()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.npz"
        run.save(file)
        size = file.stat().st_size
    return Figure("saved run, 1024x768 at 2B dimensions", size / 1e6, "MB", 8)


def measure_evidence_sizes() -> Iterator[Figure]:
    """Yield the sizes of the evidence message of such a run, for answers of 40 and 256 tokens."""
    for tokens, bar in ((40, 450), (256, 3000)):
        size = len(evidence_message(_large_run(tokens)))
        yield Figure(f"evidence message, {tokens} tokens, 1024x768 at 2B", size / 1e3, "kB", bar)


def measure_files(short: int = 40, long: int = 1000) -> Iterator[Figure]:
    """Yield how quickly a file of such a run answers, without a server.

    That is for sliders that move three maps, and for the words of a long answer.
    """
    chosen = tuple(Chosen(METHODS[name], METHODS[name].settings()) for name in SHOWN)
    for tokens, tried in ((short, browser.measure_sliders), (long, browser.measure_words)):
        run = _large_run(tokens)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "run.html"
            file.write_bytes(one_file(Exhibit(run, chosen, tuple(chips(run)))))
            yield from tried(file, f"three maps, {tokens} tokens, 27 x 37")


def _large_run(answer: int = 60) -> Run:
    """Return a synthetic run: d = 1536, 20 tokens of prompt, and a real picture."""
    rng = np.random.default_rng(SEED)
    run = synthetic_run(
        rng,
        n_template=20,
        n_prompt=20,
        n_answer=answer,
        grids=QWEN2_VL_2B,
        d=1536,
        vocab=8000,
        image_size=(768, 1024),
    )
    scene = make_scene(SEED, Limits(sides=(768, 1024)), (768, 1024))
    return replace(run, images=(scene.image,))


class Served(NamedTuple):
    """A page served by `python app.py`, when that was started, and the seconds until it answered.

    `start` is on the clock of `time.perf_counter`.
    """

    url: str
    pid: int
    start: float
    seconds: float

    def wait_for_model(self) -> float:
        """Return the seconds from the start until the model is loaded, once it is."""
        while not _answers(f"{self.url}readyz"):
            if time.perf_counter() - self.start > PATIENCE:
                raise SightlineError("python app.py did not load its model; start it by hand")
            time.sleep(0.05)
        return time.perf_counter() - self.start


@contextmanager
def served(environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Serve a page by `python app.py` within the context, with these environment variables."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start, url = time.perf_counter(), f"http://127.0.0.1:{port}/"
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    app = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    try:
        while not _answers(url):
            if app.poll() is not None or time.perf_counter() - start > PATIENCE:
                raise SightlineError("python app.py did not serve its page; start it by hand")
            time.sleep(0.05)
        yield Served(url, app.pid, start, time.perf_counter() - start)
    finally:
        app.terminate()
        app.wait(10)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as page:
            return page.status == 200
    except OSError:
        return False
