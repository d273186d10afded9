"""Sightline's page: `python app.py`, then open the address that it prints."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

import explainer  # noqa: F401 - sets how threads wait, before anything imports torch

try:  # on ZeroGPU; has to come before anything touches CUDA
    from spaces import GPU as gpu
except ImportError:
    gpu = None

if TYPE_CHECKING:
    from explainer.serving.model_pool import Models
    from explainer.ui.guarded_blocks import GuardedBlocks

EXAMPLES = Path(__file__).parent / "assets" / "examples"
GALLERY = EXAMPLES.parent / "gallery"
NONE = "none"  # in place of a model: recorded runs can be opened, none recorded

# Variables that set the defaults of flags, where there is no command line.
ENVIRONMENT = {
    "model": "SIGHTLINE_MODEL",
    "revision": "SIGHTLINE_REVISION",
    "device": "SIGHTLINE_DEVICE",
    "dtype": "SIGHTLINE_DTYPE",
    "quantize": "SIGHTLINE_QUANTIZE",
    "device_map": "SIGHTLINE_DEVICE_MAP",
    "adapter": "SIGHTLINE_ADAPTER",
    "attention": "SIGHTLINE_ATTENTION",
    "tiles": "SIGHTLINE_TILES",
    "store_mb": "SIGHTLINE_STORE_MB",
    "models": "SIGHTLINE_MODELS",
    "recorder": "SIGHTLINE_RECORDER",
    "allow_any_model": "SIGHTLINE_ALLOW_ANY_MODEL",
    "mcp": "SIGHTLINE_MCP",
    "metrics": "SIGHTLINE_METRICS",
    "log": "SIGHTLINE_LOG",
    "end_within": "SIGHTLINE_END_WITHIN",
    "host": "GRADIO_SERVER_NAME",
    "port": "GRADIO_SERVER_PORT",
}
ON_SPACE = bool(os.environ.get("SPACE_ID"))  # set by Hugging Face, as is the next
ON_ZERO_GPU = bool(os.environ.get("SPACES_ZERO_GPU"))
TWO_MODELS = "--recorder asks the model that the recorder holds; leave out --model, or --recorder"
NO_MCP = "--mcp needs the package mcp; install it with: pip install 'gradio[mcp]'"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the flags; missing ones are taken from the environment."""
    from explainer.serving.ending import END_WITHIN
    from explainer.serving.model_flags import add_model_flags
    from explainer.serving.startup import read_host, read_log_format, read_port, read_seconds

    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add_model_flags(parser)
    add = parser.add_argument
    add("--models", metavar="IDS", help="what the menu offers besides: ID,ID,...")
    add("--allow-any-model", action="store_true", help="let visitors name any hub id, too")
    add(
        "--recorder",
        metavar="ADDRESS",
        help="ask the model of a recorder, started elsewhere with python -m explainer recorder",
    )
    add("--mcp", action="store_true", help="offer the endpoints to agents too, as an MCP server")
    add(
        "--host",
        type=read_host,
        help="address to listen on; default: GRADIO_SERVER_NAME or 127.0.0.1",
    )
    add(
        "--port", type=read_port, help="default: GRADIO_SERVER_PORT or the first free one from 7860"
    )
    add("--store-mb", type=int, default=1024, help="memory for recorded answers, in MB")
    add("--metrics", action="store_true", help="answer /metrics, for Prometheus")
    add(
        "--log",
        type=read_log_format,
        default="text",
        help="text, or json: a line of JSON for each event, without prompts and pictures",
    )
    add(
        "--end-within",
        type=read_seconds,
        default=END_WITHIN,
        metavar="SECONDS",
        help=f"how long running answers may take after SIGTERM; default: {END_WITHIN:g}",
    )
    told = {name: os.environ.get(variable) for name, variable in ENVIRONMENT.items()}
    parser.set_defaults(**{name: value for name, value in told.items() if value})
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page, then load the model behind it; return 2 after a message if that fails."""
    flags = parse(argv)
    from explainer.heap import share_arenas
    from explainer.serving.startup import is_on

    share_arenas()  # before threads start
    if is_on(flags.mcp) and find_spec("mcp") is None:
        print(f"app.py: {NO_MCP}", file=sys.stderr)
        return 2
    from explainer.errors import SightlineError
    from explainer.run.store import RunStore
    from explainer.serving.startup import exempt_localhost, own_temporary_folder

    if flags.log == "json":
        from explainer.serving.json_log import log_as_json

        log_as_json(sys.stderr)
    for note in exempt_localhost(os.environ):
        print(f"app.py: {note}", file=sys.stderr)
    own_temporary_folder(os.environ, "GRADIO_TEMP_DIR")  # read when gradio is imported
    if flags.host and ":" in flags.host:  # Gradio binds what this names as IPv4, to try a port
        os.environ.pop("GRADIO_SERVER_NAME", None)
    from explainer.ui.gallery import load_gallery
    from explainer.ui.layout import build_demo, launch_options, load_examples
    from explainer.web.texts import NO_MODEL

    try:
        models, precision = _models(flags)
        if models.rules.at_start_only:  # on ZeroGPU, in the main process before it is forked
            models.start()
        else:
            models.expect_start()
        store = RunStore(flags.store_mb << 20)
    except (SightlineError, ValueError) as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    demo = build_demo(
        models,
        store,
        about=NO_MODEL if flags.model == NONE else "",
        precision=precision,
        examples=[] if flags.model == NONE else load_examples(EXAMPLES),
        gallery=load_gallery(GALLERY),
        gpu=gpu or (lambda worker: worker),
    )
    demo.status.has_metrics = is_on(flags.metrics)
    _end_on_sigterm(demo, flags.end_within)
    try:
        demo.launch(
            server_name=flags.host,
            server_port=flags.port,
            share=False,
            mcp_server=is_on(flags.mcp),
            prevent_thread_lock=True,
            **launch_options(),
        )
        if not models.rules.at_start_only:
            models.start()
    except (SightlineError, OSError) as error:  # no such model; or the port is taken
        print(f"app.py: {error}", file=sys.stderr)
        demo.close(verbose=False)
        return 2
    demo.block_thread()
    return 0


def _end_on_sigterm(demo: GuardedBlocks, seconds: float) -> None:
    """Let SIGTERM end this process when running answers have ended, or after so many seconds.

    Searches, which take minutes, are cut off. A second SIGTERM ends the process at once.
    """
    from gradio.route_utils import delete_files_created_by_app

    from explainer.serving.ending import drain

    hall = demo.status.calls.scheduler

    def end() -> None:
        drain(hall, seconds)
        exit_now()

    def exit_now() -> None:
        delete_files_created_by_app(demo, None)
        os._exit(0)  # whatever threads are in the middle of

    def on_sigterm(number: int, frame: object) -> None:
        if hall.closed:
            exit_now()
        Thread(target=end, daemon=True).start()

    signal.signal(signal.SIGTERM, on_sigterm)


def _models(flags: argparse.Namespace) -> tuple[Models, Callable[[], str]]:
    """Return the models to offer, and a function for the precision of their weights.

    Torch is not imported: neither without a model, nor before one is loaded.
    """
    if flags.model == NONE:
        from explainer.serving.no_models import NoModels

        return NoModels(), lambda: "float32"
    if flags.recorder:
        if flags.model:
            raise ValueError(TWO_MODELS)
        from explainer.serving.recorder_client import RecorderClient
        from explainer.serving.remote_models import RemoteModels

        return RemoteModels(RecorderClient(flags.recorder)), lambda: "float32"
    from explainer.serving.page_models import HostPlace, choose_precision, make_models

    models = make_models(flags, HostPlace(ON_SPACE, ON_ZERO_GPU))
    return models, partial(choose_precision, flags)


if __name__ == "__main__":
    sys.exit(main())
