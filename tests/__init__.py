"""Settings to make before torch and gradio are imported, in tests and what they start.

Each worker of pytest-xdist computes on one thread and looks for free ports in a range of its own.
"""

from __future__ import annotations

import os

WORKER = os.environ.get("PYTEST_XDIST_WORKER")  # "gw0", "gw1", ...; None without pytest-xdist

os.environ.setdefault("OMP_NUM_THREADS", "1")
if WORKER is not None:
    os.environ.setdefault("GRADIO_SERVER_PORT", str(7860 + 100 * int(WORKER.removeprefix("gw"))))
