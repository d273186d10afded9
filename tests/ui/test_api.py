"""The launched page from outside: the two endpoints for scripts, and requests that mean no good."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from explainer.methods import METHODS
from explainer.store import RunStore
from explainer.ui import controls, texts
from explainer.ui.layout import build_demo, launch_options
from tests.ui.fake import FakeExplainer

PANEL, OPTIONS = controls.panel_value(), controls.option_value()


@pytest.fixture(scope="module")
def store() -> RunStore:
    return RunStore()


@pytest.fixture(scope="module")
def url(store: RunStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("gradio"))
    demo = build_demo(FakeExplainer(), store)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    demo.close(verbose=False)


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    return Client(url, verbose=False)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "grey.png"
    Image.fromarray(np.full((60, 80, 3), 128, np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def recorded(client: Client, picture: Path) -> dict:
    return client.predict(
        handle_file(picture), "What is this?", 32, 0, 0, [0.5, 0.75, 1.0], api_name="/record"
    )


def test_a_script_can_record(recorded):
    assert recorded["answer"].startswith("A cat")
    assert recorded["scales"] == [0.5, 0.75, 1.0]
    assert [c["text"] for c in recorded["chips"] if c["role"] == "answer"][1] == " cat"
    assert all(0 <= c["probability"] <= 1 for c in recorded["chips"] if c["role"] == "answer")


def test_a_script_can_explain(client, recorded, store):
    chip = recorded["chips"][-2]["chip"]
    got = client.predict(
        recorded["run"], chip, "msea_arc", "paper", {"scales": [1.0], "k": 9}, api_name="/explain"
    )
    run = store.get(recorded["run"])
    heat = METHODS["msea_arc"](run, run.chips[chip].tokens[0], preset="paper", scales=(1.0,), k=9)
    assert np.allclose(got["values"], heat.values, atol=1e-4)
    assert got["normalisation"] == heat.normalisation
    assert client.predict(recorded["run"], chip, api_name="/explain")["extent"] == [0, 0, 80, 60]


def test_a_script_can_ask_about_several_pictures(client, picture, store):
    got = client.predict(
        handle_file(picture), "Both?", 8, 0, 0, [1.0], "", [handle_file(picture)],
        api_name="/record",
    )  # fmt: skip
    assert got["images"] == ["picture 1", "picture 2"]
    run, chip = store.get(got["run"]), got["chips"][1]["chip"]
    told = {"knobs": {"scales": [1.0]}, "image": 1, "api_name": "/explain"}
    heat = METHODS["msea_arc"](run, run.chips[chip].tokens[0], scales=(1.0,))
    sent = client.predict(got["run"], chip, **told)
    assert np.allclose(sent["values"], heat.parts[1].values, atol=1e-4)
    with pytest.raises(AppError, match=r"image 2 is outside 0\.\.1"):
        client.predict(got["run"], chip, **{**told, "image": 2})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("f" * 32, 3), "expired"),
        ((None, 3), "press Explain first"),
        ((["x"], 3), "cannot be read"),
        (("RUN", "3"), "cannot be read"),
        (("RUN", -1), "cannot be read"),
        (("RUN", 10**9), "cannot be read"),
        (("RUN", 10, "no_such"), "no method"),
        (("RUN", 10, {"a": 1}), "no method"),
        (("RUN", 10, "tam", "no_such"), "no preset"),
        (("RUN", 10, "tam", ["x"]), "no preset"),
        (("RUN", 10, "msea_arc", "", {"k": 10**6}), "k must lie in"),
        (("RUN", 10, "msea_arc", "", {"k": "9"}), "k is a number"),
        (("RUN", 10, "msea_arc", "", {"scales": [0.9]}), "was not recorded"),
        (("RUN", 10, "msea_arc", "", {"scales": "all"}), "scale"),
        (("RUN", 10, "msea_arc", "", {"no_such": 1}), "no knob"),
        (("RUN", 10, "msea_arc", "", "knobs"), "cannot be read"),
    ],
)
def test_wrong_requests_get_a_sentence(client, recorded, arguments, said):
    arguments = [recorded["run"] if a == "RUN" else a for a in arguments]
    with pytest.raises(AppError, match=said) as error:
        client.predict(*arguments, api_name="/explain")
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("", 9999, 0, 0, [1.0]), "Longest answer"),
        (("", 9, "hot", 0, [1.0]), "Temperature"),
        (("", 9, 0, -1, [1.0]), "Seed"),
        (("", 9, 0, 0, []), "At least one scale"),
        (("", 9, 0, 0, [7.0]), "scales must lie"),
        (("", 9, 0, 0, "x"), "cannot be read"),
    ],
)
def test_wrong_recordings_get_a_sentence(client, picture, arguments, said):
    with pytest.raises(AppError, match=said):
        client.predict(handle_file(picture), *arguments, api_name="/record")


def test_a_recording_without_a_picture_gets_a_sentence(client):
    with pytest.raises(AppError, match="no picture"):
        client.predict(None, "", 9, 0, 0, [1.0], api_name="/record")


def test_a_script_can_list_load_and_name_models(client, picture):
    (told,) = client.predict(api_name="/models")
    assert told["model"] == "fake-model"
    assert told["loaded"]
    assert client.predict("fake-model", api_name="/load") == told
    arguments = (handle_file(picture), "What is this?", 32, 0, 0, [1.0])
    for model in ("", "fake-model"):
        assert client.predict(*arguments, model, api_name="/record")["model"] == "fake-model"
    for ask in (
        lambda: client.predict("no/such", api_name="/load"),
        lambda: client.predict(*arguments, "no/such", api_name="/record"),
    ):
        with pytest.raises(AppError, match="not one of the models offered here"):
            ask()


def test_only_these_endpoints_are_offered(client):
    offered = client.view_api(return_format="dict", print_info=False)
    assert set(offered["named_endpoints"]) == {"/record", "/explain", "/models", "/load"}
    assert not offered["unnamed_endpoints"]


JUNK = (None, 3, "x", [], {}, {"run": {}}, [[1]], "x" * 100_000)


def test_junk_from_a_browser_leaves_the_server_alive(url, recorded):
    """Send nonsense to the endpoint behind clicks and sliders, as a page could."""
    config = httpx.get(f"{url}config").json()
    live = next(d for d in config["dependencies"] if any(t[1] == "retry" for t in d["targets"]))
    good = [{"run": recorded["run"], "active": recorded["chips"][-1]["chip"]}, PANEL, OPTIONS]
    good[1] = {**PANEL, "alphas": [[1.0, True]]}

    def post(data):
        body = {"data": data, "fn_index": live["id"], "session_hash": "visitor"}
        return httpx.post(f"{url}gradio_api/run/predict", json=body, timeout=30)

    for at in range(3):
        for junk in JUNK[:5] if at < 2 else (None, 3, "x", []):
            answer = post([junk if i == at else value for i, value in enumerate(good)])
            assert "Traceback" not in answer.text
            assert answer.json()["data"][0]["kind"] == "error"
    assert post([]).status_code >= 400
    assert post(good).json()["data"][0]["maps"]


def test_an_expired_run_says_so_on_the_page(url):
    config = httpx.get(f"{url}config").json()
    live = next(d for d in config["dependencies"] if any(t[1] == "retry" for t in d["targets"]))
    data = [{"run": "0" * 32, "active": 1}, PANEL, OPTIONS]
    body = {"data": data, "fn_index": live["id"], "session_hash": "visitor"}
    answer = httpx.post(f"{url}gradio_api/run/predict", json=body, timeout=30).json()
    assert answer["data"][0]["text"] == texts.EXPIRED


def test_the_page_asks_for_nothing_from_elsewhere(url):
    page = httpx.get(url).text
    assert "fonts.googleapis" not in page
    assert "cdnjs" not in page or "iframe" in page


def test_closed_doors(url):
    assert httpx.get(f"{url}monitoring").status_code >= 400
    assert httpx.get(f"{url}gradio_api/file=/etc/passwd").status_code in (403, 404)
