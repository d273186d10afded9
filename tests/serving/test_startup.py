"""What keeps pages from starting elsewhere does not keep this one."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from explainer.errors import KnobError
from explainer.methods.base import Knob
from explainer.serving.startup import (
    exempt_localhost,
    own_temporary_folder,
    read_host,
    read_port,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("text", ["0", "65536", "99999", "-1", "abc", "", "80.5", "9" * 5000])
def test_ports_are_refused_in_a_sentence(text, capsys):
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 65535"):
        read_port(text)
    assert read_port("7860") == 7860


@pytest.mark.parametrize("variable", ["GRADIO_SERVER_PORT"])
def test_variables_are_judged_like_flags(variable, monkeypatch, capsys):
    import app

    monkeypatch.setenv(variable, "abc")
    with pytest.raises(SystemExit):
        app.parse([])
    assert "a port is a number from 1 to 65535, got 'abc'" in capsys.readouterr().err


def test_addresses_of_six_are_put_in_brackets():
    assert read_host("::1") == "[::1]"
    assert read_host("[::1]") == "[::1]"
    assert read_host("0.0.0.0") == "0.0.0.0"


def test_this_machine_is_exempt_from_proxies():
    told = {"NO_PROXY": "corp.example", "HTTP_PROXY": "http://127.0.0.1:9"}
    assert exempt_localhost(told) == []
    assert told["NO_PROXY"] == "corp.example,localhost,127.0.0.1,::1"
    assert told["no_proxy"] == "localhost,127.0.0.1,::1"
    assert told["HTTP_PROXY"], "still used for other machines"


def test_proxies_that_cannot_be_used_are_told(monkeypatch):
    monkeypatch.setattr("explainer.serving.startup.find_spec", lambda name: None)
    told = {"ALL_PROXY": "socks5://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    (note,) = exempt_localhost(told)
    assert "ALL_PROXY names a SOCKS proxy" in note
    assert "ALL_PROXY" not in told
    assert told["https_proxy"]


def test_each_user_has_a_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told: dict[str, str] = {}
    own_temporary_folder(told, "X")
    assert told["X"] == str(tmp_path / f"sightline-{os.getuid()}")
    assert os.stat(told["X"]).st_mode & 0o777 == 0o700
    own_temporary_folder(again := {"X": ""}, "X")
    assert again == told
    own_temporary_folder(own := {"X": "/elsewhere"}, "X")
    assert own == {"X": "/elsewhere"}


def test_a_temporary_folder_of_another_user_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    taken = tmp_path / f"sightline-{os.getuid()}"
    taken.symlink_to("/")
    own_temporary_folder(told := {}, "X")
    assert told["X"] != str(taken)
    assert Path(told["X"]).parent == tmp_path
    taken.unlink()
    taken.mkdir()
    monkeypatch.setattr("os.getuid", lambda: 4242)
    (tmp_path / "sightline-4242").mkdir()  # belongs to whoever runs this test
    own_temporary_folder(told := {}, "X")
    assert told["X"] != str(tmp_path / "sightline-4242")


# Starts `app.py` without a model where torch and scipy cannot be imported; the page is built with
# the bundled models, too.
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = sys.modules["scipy"] = None
import app
of_flags = app._models

def models(flags):
    from explainer.run.store import RunStore
    from explainer.ui.gallery import load_gallery
    from explainer.ui.layout import build_demo
    bundled, bits = of_flags(app.parse([]))
    bundled.expect_start()
    build_demo(bundled, RunStore(), precision=bits, gallery=load_gallery(app.GALLERY))
    return of_flags(flags)

app._models = models
sys.exit(app.main(["--model", "none"]))
"""


def test_the_page_starts_without_torch_and_scipy_behind_dead_proxies_and_on_ipv6():
    proxy = "http://127.0.0.1:9"
    environment = os.environ | {
        "ALL_PROXY": "socks5://127.0.0.1:9",
        "HTTP_PROXY": proxy,
        "http_proxy": proxy,
        "OMP_NUM_THREADS": "1",
        "GRADIO_SERVER_NAME": "::1",
        "GRADIO_SERVER_PORT": "7987",
    }
    command = [sys.executable, "-c", WITHOUT_TORCH]
    page = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        deadline = time.monotonic() + 200
        while True:
            assert page.poll() is None, page.stdout.read().decode()
            assert time.monotonic() < deadline
            try:
                with direct.open("http://[::1]:7987/", timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                time.sleep(0.5)
        time.sleep(5)  # it asks itself whether it is there
        assert page.poll() is None, page.stdout.read().decode()
    finally:
        page.terminate()
        page.wait(30)


def test_limits_are_told_in_whole_numbers():
    seed = Knob("Seed", "int", 0, "", 0, 2**31 - 1)
    for value, words in ((2**31, "2147483648"), (10**400, "a number of more than 20 digits")):
        with pytest.raises(KnobError, match=rf"must lie in 0\.\.2147483647, got {words}"):
            seed.check(value)
    with pytest.raises(KnobError, match="got inf"):
        seed.check(float("inf"))
