"""The launched page from outside: the endpoints for programs, and requests that mean no good."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from explainer.errors import ModelError
from explainer.methods import METHODS
from explainer.methods.subjects import candidates, explain_subject, unsaid
from explainer.probing.curves import CurvePlan
from explainer.probing.map_test import prove
from explainer.probing.regions import shown_by
from explainer.probing.reliance import reliance
from explainer.run import ANSWER, Run
from explainer.run.store import RunStore
from explainer.serving.no_models import NoModels
from explainer.ui.api import Api
from explainer.ui.handlers import Handlers
from explainer.web import controls, texts
from tests.ui.fake import ANSWER_TEXTS, FakeExplainer, fake_run

FILE = {"_type": "gradio.FileData"}
PANEL, OPTIONS = controls.panel_value(), controls.option_value()


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
    assert all(c["evidence"] is None for c in recorded["chips"]), "nobody asked for it"


def test_a_script_can_have_evidence_measured(client, picture, store):
    told = {"prompt": "How sure?", "scales": [1.0], "evidence": True, "api_name": "/record"}
    answer = client.predict(handle_file(picture), **told)
    run = store.get(answer["run"])
    for chip in answer["chips"]:
        rests = reliance(run, run.chips[chip["chip"]].tokens)
        assert chip["evidence"] == (rests and rests.as_json)
        assert (chip["evidence"] is None) == (chip["role"] != "answer")
    chips = client.predict(answer["run"], api_name="/tokens")["chips"]
    assert [chip["evidence"] for chip in chips] == [chip["evidence"] for chip in answer["chips"]]
    with pytest.raises(AppError, match="cannot be read"):
        client.predict(handle_file(picture), **told | {"evidence": "yes"})


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


def test_a_script_can_hide_what_a_map_shows(client, recorded, store):
    run = store.get(recorded["run"])
    chip = recorded["chips"][-8]["chip"]
    told = client.predict(recorded["run"], chip, "tam", fill="black", api_name="/hide")
    place = shown_by(METHODS["tam"](run, run.chips[chip].tokens[0]))
    probs = FakeExplainer().probabilities_without(run, (place, place.elsewhere()), "black")
    assert told["share"] == pytest.approx(place.share)
    assert [w["text"] for w in told["words"]] == list(ANSWER_TEXTS)
    for row, name in zip(probs, ("hidden", "elsewhere"), strict=True):
        np.testing.assert_allclose([w[name] for w in told["words"]], row, rtol=1e-5)
    kept = client.predict(recorded["run"], chip, "tam", how="keep", api_name="/hide")
    assert kept["share"] == pytest.approx(1 - place.share)


@pytest.mark.parametrize("junk", [{"how": "burn"}, {"fill": "sand"}, {"image": 5}, {"method": "x"}])
def test_what_cannot_be_hidden_is_said(client, recorded, junk):
    with pytest.raises(AppError):
        client.predict(recorded["run"], recorded["chips"][-2]["chip"], **junk, api_name="/hide")


def test_a_script_can_measure_curves(client, recorded, store):
    run, chip = store.get(recorded["run"]), recorded["chips"][-8]["chip"]
    token = run.chips[chip].tokens[0]
    asked = {"methods": ["tam", "logit_lens"], "knobs": {"tam": {"window": 1}}, "steps": 3}
    told = client.predict(recorded["run"], chip, fill="black", **asked, api_name="/curves")
    maps = {"tam": METHODS["tam"](run, token, window=1), "lens": METHODS["logit_lens"](run, token)}
    proof = prove(FakeExplainer(), run, [token], maps, CurvePlan("black", 3))
    assert [found["method"] for found in told["maps"]] == asked["methods"]
    assert told["share"] == pytest.approx(proof.chance.share)
    assert (told["verdict"], told["maps"][0]["verdict"]) == ("unlikely", "")
    assert told["whole"] == pytest.approx(proof.chance.whole)
    want = [*proof.curves.values(), *proof.random]
    for found, curves in zip([*told["maps"], *told["random"]], want, strict=True):
        np.testing.assert_allclose(found["shown"], curves.insertion, rtol=1e-5)
        np.testing.assert_allclose(found["taken"], curves.deletion, rtol=1e-5)
        assert found["deletion"] == pytest.approx(curves.figures()["deletion"])
        assert found["reliance"] == pytest.approx(curves.reliance)


def test_methods_that_ask_the_model_have_curves_too(client, recorded):
    chip = recorded["chips"][-8]["chip"]
    asked = {"methods": ["grad_cam"], "steps": 1}
    told = client.predict(recorded["run"], chip, **asked, api_name="/curves")
    assert [found["method"] for found in told["maps"]] == ["grad_cam"]


@pytest.mark.parametrize(
    ("junk", "said"),
    [
        ({"fill": "sand"}, "fill is one of"),
        ({"steps": 65}, "64 steps at most"),
        ({"steps": 0}, "at least 1"),
        ({"steps": "3"}, "cannot be read"),
        ({"methods": ["x"]}, "no method"),
        ({"methods": []}, "no method"),
        ({"subject": 1}, "words of the answer"),
        ({"subject": {"at": 9, "ids": [20]}}, "words of the answer"),
    ],
)
def test_what_has_no_curves_is_said(client, recorded, junk, said):
    asked = {"subject": recorded["chips"][-2]["chip"], **junk}
    with pytest.raises(AppError, match=said):
        client.predict(run=recorded["run"], **asked, api_name="/curves")


def test_a_script_can_read_tokens_and_candidates(client, recorded, store):
    run = store.get(recorded["run"])
    told = client.predict(recorded["run"], top=3, api_name="/tokens")
    assert [c["chip"] for c in told["chips"]] == [c["chip"] for c in recorded["chips"]]
    for chip in told["chips"]:
        assert [t["token"] for t in chip["tokens"]] == list(run.chips[chip["chip"]].tokens)
        for token in chip["tokens"]:
            best = candidates(run, token["token"])[:3]
            assert [c["id"] for c in token["candidates"]] == [c.token_id for c in best]
            assert [c["probability"] for c in token["candidates"]] == [c.probability for c in best]
    assert client.predict(recorded["run"], top=0, api_name="/tokens")["answer"] == run.answer


def test_a_conversation_goes_on_by_its_run(client, recorded, store):
    more = client.predict(run=recorded["run"], prompt="And now?", api_name="/record")
    run = store.get(more["run"])
    assert run.prompt == "And now?"
    assert run.conversation.turns[-1].answer == recorded["answer"].strip()
    roles = [chip["role"] for chip in more["chips"]]
    assert roles == sorted(
        roles, key=["earlier_prompt", "earlier_answer", "prompt", "answer"].index
    )
    earlier = next(chip for chip in more["chips"] if chip["role"] == "earlier_answer")
    assert client.predict(more["run"], earlier["chip"], "tam", api_name="/explain")["values"]
    for options, words in (({"run": "0" * 32}, "expired"), ({"system": "x"}, "leave these out")):
        asked = {"run": recorded["run"], "prompt": "And now?", **options}
        with pytest.raises(AppError, match=words):
            client.predict(**asked, api_name="/record")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"history": [{"prompt": "What?"}]}, "each .*prompt.*answer"),
        ({"history": [{"prompt": "What?", "answer": "A cat."}] * 33}, "at most 32 earlier turns"),
        ({"system": 3}, "."),
    ],
)
def test_a_history_that_is_none_is_refused(client, picture, said, words):
    with pytest.raises(AppError, match=words):
        client.predict(picture=handle_file(picture), prompt="a", **said, api_name="/record")


def test_endpoints_are_named_and_typed(client):
    offered = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    names = {n: [p["parameter_name"] for p in e["parameters"]] for n, e in offered.items()}
    assert names["/tokens"] == ["run", "top"]
    assert names["/explain"] == ["run", "subject", "method", "preset", "knobs", "image"]
    assert names["/record"][:2] == ["picture", "prompt"]
    for endpoint in offered.values():
        assert endpoint["description"]
        assert all("type" in result["type"] for result in endpoint["returns"])
    chips = offered["/tokens"]["returns"][0]["type"]["properties"]["chips"]
    assert chips["items"]["properties"]["chip"] == {"type": "integer"}


def test_a_program_cannot_name_a_file_of_the_server(http):
    """Only what was uploaded is opened, with or without the mark of a file."""
    for file in ({"path": "/etc/passwd"}, {"path": "/etc/passwd", "meta": FILE}):
        for body in ({"picture": file}, {"more": [file]}):
            asked = http.post("gradio_api/call/v2/record", json=body)
            told = http.get(f"gradio_api/call/record/{asked.json()['event_id']}")
            assert "event: error" in told.text
            assert "root:" not in told.text


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


def test_a_script_can_explain_any_word(client, recorded, store):
    run, key = store.get(recorded["run"]), recorded["run"]
    at = int(run.indices(ANSWER)[1])
    word = {"at": at, "word": "sheep"}
    assert " sheep" not in run.settings.get("words", {})
    got = client.predict(key, word, "tam", api_name="/explain")
    run = store.get(key)
    heat = explain_subject(METHODS["tam"], run, unsaid(run, at, "sheep"))
    assert np.allclose(got["values"], heat.values, atol=1e-4)
    contrast = {"plus": {"chip": recorded["chips"][-2]["chip"]}, "minus": {**word, "word": "goat"}}
    assert client.predict(key, contrast, "tam", api_name="/explain")["signed"]
    told = {"run": key, "format": "json", "methods": ["tam"], "api_name": "/export"}
    file = client.predict(subjects=[{**word, "word": "hen"}, contrast], **told)
    assert json.loads(Path(file).read_text("utf-8"))["subjects"][0]["text"].strip() == "hen"
    assert {" sheep", " goat", " hen"} <= set(store.get(key).settings["words"])


def test_words_are_brought_only_for_what_can_be_explained(explainer, client, recorded):
    at, brought = len(recorded["chips"]), list(explainer.brought)
    for word, method, said in (
        ({"at": at, "word": "yak"}, "no_such", "no method"),
        ({"at": 10**6, "word": "yak"}, "tam", "token"),
        ({"at": "x", "word": "yak"}, "tam", "cannot be read"),
        ({"at": at, "word": " "}, "tam", "word is empty"),
        ({"at": at, "word": "x" * 101}, "tam", "at most 100"),
        ({"at": at, "word": ["yak"]}, "tam", "cannot be read"),
    ):
        with pytest.raises(AppError, match=said):
            client.predict(recorded["run"], word, method, api_name="/explain")
    assert explainer.brought == brought


def test_a_word_without_a_model_is_refused_in_a_sentence():
    store = RunStore()
    store.put("a" * 32, fake_run())
    api = Api(Handlers(NoModels(), store))
    at = int(fake_run().indices(ANSWER)[1])
    with pytest.raises(ModelError, match=r"no model is loaded here.*fake-model"):
        api.explain("a" * 32, {"at": at, "word": "sheep"})
    assert api.explain("a" * 32, {"chip": 3})["values"]


def test_a_script_can_export(client, recorded):
    chip = recorded["chips"][-2]["chip"]
    told = {"run": recorded["run"], "api_name": "/export"}
    figure = client.predict(format="svg", subjects=[chip], methods=["tam"], **told)
    assert Path(figure).read_bytes().startswith(b"<?xml")
    knobs = {"msea_arc": {"preset": "paper", "k": 9}}
    figure = client.predict(
        format="png", subjects=[chip], knobs=knobs, look={"theme": "dark"}, **told
    )
    assert Image.open(figure).format == "PNG"
    opened = Run.load(client.predict(format="npz", **told))
    assert opened.answer == recorded["answer"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"format": "exe"}, "no format"),
        ({"format": ["png"]}, "no format"),
        ({"subjects": 3}, "cannot be read"),
        ({"subjects": [10**9]}, "cannot be read"),
        ({"methods": []}, "no method"),
        ({"methods": ["no_such"]}, "no method"),
        ({"knobs": {"tam": {"k": 3}}}, "no knob"),
        ({"knobs": {"msea_arc": {"preset": ["x"]}}}, "no preset"),
        ({"look": {"theme": "pink"}}, "theme must be one of"),
        ({"look": {"opacity": "x"}}, "opacity is a number"),
        ({"look": {"size": 9}}, "a look has no 'size'"),
        ({"look": "dark"}, "cannot be read"),
    ],
)
def test_wrong_exports_get_a_sentence(client, recorded, asked, said):
    asked = {"run": recorded["run"], "format": "svg", **asked}
    with pytest.raises(AppError, match=said):
        client.predict(**asked, api_name="/export")


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
    names = {
        "/record", "/tokens", "/explain", "/sources", "/hide", "/regions", "/curves", "/export",
        "/models", "/load",
    }  # fmt: skip
    assert set(offered["named_endpoints"]) == names
    assert not offered["unnamed_endpoints"]


JUNK = (None, 3, "x", [], {}, {"run": {}}, [[1]], "x" * 100_000)


@cache
def serving(http: httpx.Client, function: str) -> int:
    """Return the number of the component that has a function for the page's scripts."""
    parts = http.get("config").json()["components"]
    return next(p["id"] for p in parts if function in str(p["props"].get("server_fns", "")))


def ask_as_a_page(http: httpx.Client, function: str, data: object) -> httpx.Response:
    """Call a function that the page's scripts call."""
    part = serving(http, function)
    body = {"data": data, "fn_name": function, "session_hash": "x", "component_id": part}
    return http.post("gradio_api/component_server/", json=body)


def test_junk_from_a_browser_leaves_the_server_alive(http, recorded):
    """Send nonsense to the function behind maps that a model made, as a page could."""
    good = {
        "run": recorded["run"],
        "subjects": [{"chip": recorded["chips"][-1]["chip"]}],
        "options": {"grad_cam": {}},
    }
    for name in good:
        for junk in JUNK:
            answer = ask_as_a_page(http, "compared", {**good, name: junk})
            assert answer.json().get("kind") == "error", (name, junk)
    for junk in JUNK:
        assert ask_as_a_page(http, "compared", junk).json()["kind"] == "error"
    assert ask_as_a_page(http, "compared", good).json()["maps"]


def test_an_expired_run_says_so_on_the_page(http):
    asked = {"run": "0" * 32, "subjects": [{"chip": 1}], "options": {"grad_cam": {}}}
    assert ask_as_a_page(http, "compared", asked).json()["text"] == texts.EXPIRED


def test_the_page_asks_for_nothing_from_elsewhere(http):
    page = http.get("").text
    assert "fonts.googleapis" not in page
    assert "cdnjs" not in page or "iframe" in page


def test_closed_doors(http):
    assert http.get("monitoring").status_code >= 400
    assert http.get("gradio_api/file=/etc/passwd").status_code in (403, 404)
