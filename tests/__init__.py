"""Settings to make before torch and gradio are imported, in tests and what they start."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
