"""Two apps behind nginx: each visitor stays with one, and losing one is no matter to the others."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from explainer.web import texts
from tests.app_process import PATIENCE, ROOT, free_port, listen, record, started_app, upload

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
VISITORS = 20
MAIN = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/sightline.conf;
}}
"""


@contextmanager
def started_proxy(folder: Path, ports: list[int]) -> Iterator[str]:
    """Start nginx with the example for apps at these ports, and yield its address."""
    port, example = free_port(), (ROOT / "deploy" / "nginx.conf").read_text()
    example = example.replace("listen 7860;", f"listen 127.0.0.1:{port};")
    for number, app in enumerate(ports, 1):
        example = example.replace(f"server app-{number}:7860;", f"server 127.0.0.1:{app};")
    (folder / "sightline.conf").write_text(example)
    (folder / "main.conf").write_text(MAIN.format(folder=folder))
    command = [NGINX, "-p", folder, "-e", folder / "error.log", "-c", folder / "main.conf"]
    with subprocess.Popen(command) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for(url: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise TimeoutError(url)


class Visitor:
    """One person with a browser; `app` tells which app they are with."""

    def __init__(self, url: str, number: int, cookies: bool = True) -> None:
        self.http = httpx.Client(base_url=url, timeout=PATIENCE)
        self.prompt, self.run, self.word = f"Describe the image. {number % 4}", "", 0
        if cookies:
            self.http.get("/").raise_for_status()

    @property
    def app(self) -> str:
        return self.http.get("gradio_api/app_id").json()["app_id"]

    def ask(self) -> bool:
        """Record an answer, and return whether it came."""
        answer = record(self.http, upload(self.http), self.prompt)
        if answer:
            self.run = answer[0]["run"]
            self.word = next(c["chip"] for c in answer[0]["chips"] if c["role"] == "answer")
        return bool(answer)

    def click(self) -> list[str]:
        """Return what the server says to a click on the first word of the answer."""
        body = {"run": self.run, "subject": self.word, "method": "logit_lens"}
        return listen(self.http, "explain", body)


@pytest.mark.slow
@pytest.mark.skipif(NGINX is None, reason="there is no nginx")
def test_losing_one_of_two_apps_loses_the_answers_of_its_own_visitors_only(tmp_path):
    folders = [tmp_path / name for name in ("one", "two", "proxy")]
    for folder in folders:
        folder.mkdir()
    with ExitStack() as stack:
        apps = [stack.enter_context(started_app(folder, "--metrics")) for folder in folders[:2]]
        ports = [http.base_url.port for _, http in apps]
        url = stack.enter_context(started_proxy(folders[2], ports))
        assert httpx.get(f"{url}/metrics").status_code == 404
        assert apps[0][1].get("metrics").status_code == 200
        threads = stack.enter_context(ThreadPoolExecutor(VISITORS))
        visitors = [Visitor(url, n) for n in range(VISITORS)]
        assert all(threads.map(Visitor.ask, visitors))
        homes = list(threads.map(lambda v: v.app, visitors))
        here = apps[0][1].get("gradio_api/app_id").json()["app_id"]
        assert len(set(homes)) == 2
        assert here in homes
        assert all("event: complete" in said for said in threads.map(Visitor.click, visitors))
        program = Visitor(url, 0, cookies=False)
        assert program.ask()
        assert "event: complete" in program.click()

        apps[0][0].send_signal(signal.SIGUSR1)  # nothing handles it: it ends at once, as if killed
        assert apps[0][0].wait(30) == -signal.SIGUSR1
        for said, home in zip(threads.map(Visitor.click, visitors), homes, strict=True):
            if home == here:
                assert any(texts.EXPIRED in line for line in said), said
            else:
                assert "event: complete" in said
        assert all(
            threads.map(
                Visitor.ask, [v for v, h in zip(visitors, homes, strict=True) if h == here][:2]
            )
        )
