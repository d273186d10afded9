"""`python -m explainer recorder` and `app.py --recorder` before anything is started."""

from __future__ import annotations

import pytest

import app
from explainer.__main__ import main
from explainer.commands import recorder
from explainer.errors import ModelError
from tests.app_process import free_port


def test_what_cannot_be_started_is_said(capsys, monkeypatch):
    assert main(["recorder", "--replicas", "3", "--most-replicas", "2"]) == 2
    assert "--most-replicas is at least --replicas" in capsys.readouterr().err
    monkeypatch.setattr(recorder, "find_spec", lambda name: None)
    assert main(["recorder", "--replicas", "2"]) == 2
    assert recorder.NO_RAY in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "many", "1001"])
def test_replicas_are_counted(count, capsys):
    with pytest.raises(SystemExit):
        main(["recorder", "--replicas", count])
    assert "a number from 1 to 1000" in capsys.readouterr().err


def test_a_page_takes_one_model_and_needs_its_recorder():
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ValueError, match="leave out --model"):
        app._models(app.parse(["--recorder", address, "--model", "a/b"]))
    with pytest.raises(ModelError, match="no recorder answers"):
        app._models(app.parse(["--recorder", address]))
