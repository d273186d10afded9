"""Sightline's page: `python app.py`, then open the address that it prints."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

try:  # on ZeroGPU; has to come before anything touches CUDA
    from spaces import GPU as gpu
except ImportError:
    gpu = None

EXAMPLES = Path(__file__).parent / "assets" / "examples"
MODEL = os.environ.get("SIGHTLINE_MODEL", "")  # hub id or folder; empty for the bundled model
REVISION = os.environ.get("SIGHTLINE_REVISION") or None
DEVICE = os.environ.get("SIGHTLINE_DEVICE", "auto")
DTYPE = os.environ.get("SIGHTLINE_DTYPE", "auto")
STORE_MB = os.environ.get("SIGHTLINE_STORE_MB", "1024")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the flags; what is not given comes from the environment."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--model", default=MODEL, metavar="ID", help="hub id or folder; default: the bundled model")
    add("--revision", default=REVISION, help="branch, tag or commit of the hub id")
    add("--device", default=DEVICE, help="auto, cpu or cuda; default: auto")
    add("--dtype", default=DTYPE, help="auto, float32, bfloat16 or float16; default: auto")
    add("--host", help="address to listen on; default: GRADIO_SERVER_NAME or 127.0.0.1")
    add("--port", type=int, help="default: GRADIO_SERVER_PORT or the first free one from 7860")
    add("--store-mb", type=int, default=STORE_MB, help="memory for recorded answers, in MB")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Load the model, build the page and serve it; 2 and one line if that is not possible."""
    flags = parse(argv)
    from explainer.errors import SightlineError
    from explainer.record import BUNDLED, load
    from explainer.store import RunStore
    from explainer.ui.about import describe
    from explainer.ui.layout import build_demo, launch_options, load_examples

    model = flags.model or BUNDLED
    try:
        explainer = load(model, flags.device, flags.dtype, flags.revision)
        store = RunStore(flags.store_mb << 20)
    except (SightlineError, ValueError) as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    demo = build_demo(
        explainer,
        store,
        about=describe(model, bundled=not flags.model),
        examples=load_examples(EXAMPLES),
        gpu=gpu or (lambda worker: worker),
    )
    try:
        demo.launch(server_name=flags.host, server_port=flags.port, share=False, **launch_options())
    except OSError as error:  # the port is taken
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
