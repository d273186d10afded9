"""`python -m explainer recorder`: answer for pages on other machines."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from explainer.errors import SightlineError
from explainer.serving import model_flags
from explainer.serving.startup import read_host, read_port

HELP = "run a model for pages on other machines: python app.py --recorder ADDRESS"
NO_RAY = "this command needs Ray: pip install -r explainer/serving/requirements.txt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    model_flags.add_model_flags(parser)
    add = parser.add_argument
    add("--replicas", type=_read_count, default=1, metavar="N", help="each with a GPU, or a core")
    add(
        "--most-replicas",
        type=_read_count,
        metavar="N",
        help="let Ray start up to so many while many ask; default: --replicas",
    )
    add("--host", type=read_host, default="127.0.0.1", help="default: 127.0.0.1")
    add("--port", type=read_port, default=8000, help="default: 8000")


def main(args: argparse.Namespace) -> int:
    """Run the replicas until SIGTERM or Ctrl-C."""
    most = args.most_replicas or args.replicas
    if most < args.replicas:
        raise SightlineError(f"--most-replicas is at least --replicas, got {most}")
    if find_spec("ray") is None:
        raise SightlineError(NO_RAY)
    from explainer.serving.recorder_replicas import ReplicaPlan, started, wait_for_end

    options = model_flags.load_options(args)
    if args.model:
        options["model_or_path"] = args.model
    plan = ReplicaPlan(options, args.replicas, most, args.host, args.port)
    with started(plan) as address:
        print(f"the recorder answers at {address}", flush=True)
        wait_for_end()
    return 0


def _read_count(text: str) -> int:
    """Parse a number of replicas; `ArgumentTypeError` for anything else."""
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"a number from 1 to 1000, got {text!r:.40}")
    return int(text)
