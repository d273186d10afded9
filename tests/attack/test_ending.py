"""SIGTERM ends the server in the middle of a search."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.attack.conftest import META

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "assets" / "examples" / "fruit.png"


def test_sigterm_ends_a_running_search(tmp_path):
    env = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-u", "app.py", "--device", "cpu", "--port", port]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = next(m[0] for line in process.stdout if (m := re.search(r"http://\S+", line)))
            with httpx.Client(base_url=f"{url.rstrip('/')}/gradio_api/", timeout=60) as http:
                path = http.post("upload", files={"files": PICTURE.open("rb")}).json()[0]
                picture = {"path": path, "meta": META}
                body = {"picture": picture, "prompt": "Describe the image.", "scales": [1]}
                run = _answer(http, "record", body)[0]
                word = next(c["chip"] for c in run["chips"] if c["role"] == "answer")
                search = {"run": run["run"], "subject": word, "method": "eagle"}
                started = http.post("call/v2/explain", json=search).json()
                assert "event_id" in started
                time.sleep(1.5)
                assert process.poll() is None
                begun = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0, "ended by its own handler"
                assert time.monotonic() - begun < 2
                assert not list(tmp_path.rglob("*.png"))
        finally:
            process.kill()


def _answer(http: httpx.Client, name: str, body: dict) -> list:
    event = http.post(f"call/v2/{name}", json=body).json()["event_id"]
    lines = http.get(f"call/{name}/{event}").text.splitlines()
    assert "event: complete" in lines, lines[-2:]
    return json.loads(lines[lines.index("event: complete") + 1].removeprefix("data: "))
