"""Names that visitors are given or choose: links, examples, runs, and files made for others."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from gradio import processing_utils, utils

from explainer.run.store import RunStore
from explainer.web import texts
from tests.attack.conftest import META, Server
from tests.attack.test_uploads import photo
from tests.ui.fake import fake_run

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "__proto__",
    "../../etc/passwd",
    "/etc/passwd",
    "http://192.0.2.1/a.png",
    "\0",
    "\u202e",
    "-1",
    "1e999",
    "NaN",
    "9" * 400,
    "x" * 5000,
    "{'run': 1}",
    "[]",
    "",
)
PARAMETERS = (
    *("run", "prompt", "model", "tokens", "temperature", "seed", "layers", "penalty", "example"),
    *("layer", "word", "against", "scales", "k", "beta", "weights", "methods", "msea_arc.mean"),
    *("opacity", "colours", "normalisation", "drawing", "contour", "speed", "present", "view"),
    *("__proto__", "constructor", "__theme", "deep_link"),
)


def script(server: Server, name: str, value: Any) -> Any:
    """Return what a function that scripts call answers, by its name."""
    number = next(
        i
        for i, block in server.demo.blocks.items()
        if name in [f.__name__ for f in getattr(block, "server_fns", None) or ()]
    )
    body = {"data": value, "component_id": number, "fn_name": name, "session_hash": "attacker"}
    answer = server.post("component_server", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def exported(server: Server, key: str) -> str:
    """Return the path that the server gives the exported file of a run."""
    kind, told = server.call("export", {"run": key}, "call/v2")
    assert kind == "complete", told
    return told[0]["path"]


# Links -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_a_link_says_no_more_than_it_may(server, parameter):
    plain = script(server, "restore", {"query": {}, "remembered": None})
    for value in HOSTILE:
        told = script(server, "restore", {"query": {parameter: value}, "remembered": None})
        assert set(told) == set(plain)
        assert set(told["settings"]) == set(plain["settings"])
        assert told["settings"]["panel"].keys() == plain["settings"]["panel"].keys()
        assert "Traceback" not in told["text"]
        assert "/etc/passwd" not in str(told["settings"])


def test_a_page_holds_nothing_of_its_address(server):
    for value in (v for v in HOSTILE if "\0" not in v):
        for parameter in ("run", "prompt", "deep_link", "view"):
            page = server.http.get(f"{server.url}?{parameter}={quote(value)}")
            assert page.status_code == 200
            if len(value) > 8:
                assert value not in page.text


@pytest.mark.parametrize("name", ["restore", "parameters", "chosen", "written"])
@pytest.mark.parametrize(
    "value",
    [None, 7, [], "x", {}, {"query": 7}, {"query": {"example": 1}}, {"query": {"a": "b" * 3000}},
     {"run": 7, "query": {}}, {"run": ["a"], "subject": {"chip": "x"}}, {"run": "b" * 32}],
)  # fmt: skip
def test_a_link_of_a_wrong_form_is_answered(server, name, value):
    told = script(server, name, value)
    assert isinstance(told, dict)
    assert "Traceback" not in str(told)


def test_a_link_does_not_lead_to_a_run_of_others(server):
    """The picture of somebody else is not that of an example, and links name no runs."""
    server.store.put("e" * 32, fake_run())
    told = script(server, "chosen", {"run": "e" * 32, "query": {"example": "1", "word": "1"}})
    assert told["subject"] is None
    told = script(server, "restore", {"query": {"run": "e" * 32}, "remembered": None})
    assert "e" * 32 not in str(told)


# Examples ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [-1, 1, 10**30, 0.5, "0", True, None, [], {}, [0], "../0", {"path": "/etc/passwd"}]
)
def test_no_example_is_had_by_a_number_that_is_not_there(server, value):
    index = next(
        i for i, fn in server.demo.fns.items() if fn.name == "choose" and len(fn.outputs) == 3
    )
    answer = server.run(index, [value])
    assert answer.status_code == 500
    assert answer.json()["error"]
    assert "Traceback" not in answer.text


# Files made for others ---------------------------------------------------------------------------


def test_names_of_files_cannot_be_worked_out_from_their_content(server):
    server.store.put("f" * 32, fake_run())
    paths = {name: server.upload(photo(40), name) for name in ("a.png", "b.png")}
    paths["export"] = exported(server, "f" * 32)
    seed = processing_utils.hash_seed
    assert len(seed) == 32
    kept = Path(utils.HASH_SEED_PATH)
    assert not kept.exists() or kept.read_bytes().strip() != seed, (
        "the secret is this program's own"
    )
    for path in paths.values():
        folder, content = Path(path).parent.name, Path(path).read_bytes()
        assert re.fullmatch("[0-9a-f]{64}", folder)
        for known in (b"", kept.read_bytes().strip() if kept.exists() else b""):
            assert folder != hashlib.sha256(known + content).hexdigest()
            assert folder != hashlib.sha256(content + known).hexdigest()


def test_names_of_runs_cannot_be_worked_out_from_what_was_asked():
    asked = (photo(41), "What is this?", "model", {"seed": 0})
    names = {RunStore().key(*asked) for _ in range(50)}
    assert len(names) == 50
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)
    assert len({name[:8] for name in names}) == 50, "nor do the ends of names tell the rest"


def test_no_address_lists_files(server):
    server.store.put("f" * 32, fake_run())
    path = exported(server, "f" * 32)
    folder, name = Path(path).parent, Path(path).name
    assert server.http.get(f"{server.url}gradio_api/file={path}").status_code == 200
    tries = [
        *(server.uploads, f"{server.uploads}/", f"{server.uploads}/*", f"{server.uploads}//"),
        *(folder, f"{folder}/", f"{folder}/.", f"{folder}/*", f"{folder}/.."),
        *(f"{server.uploads}/{'?' * 64}/{name}", f"{server.uploads}/*/{name}"),
        *(f"{folder}/{name}/..", f"{folder}/%2e%2e/{folder.name}"),
        *(f"{server.uploads}/{folder.name[:8]}/{name}", f"{folder}/{name.upper()}", ".", "/"),
    ]
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        for tried in tries:
            answer = server.http.request(method, f"{server.url}gradio_api/file={tried}")
            assert answer.status_code in (403, 404, 405), (method, tried)
            assert name not in answer.text
            assert folder.name not in answer.text


def test_a_file_of_others_is_not_told_by_who_asks_for_the_same_prompt(server):
    """Two visitors who ask the same about their own pictures get names that differ."""
    names = set()
    for seed in (43, 44):
        picture = {"path": server.upload(photo(seed)), "meta": META}
        kind, told = server.call("record", {"picture": picture, "prompt": "Same?"}, "call/v2")
        assert kind == "complete", told
        names.add(told[0]["run"])
    assert len(names) == 2
    for missing in ("0" * 32, next(iter(names))[:31] + "x", next(iter(names))[:8]):
        kind, told = server.call("export", {"run": missing}, "call/v2")
        assert (kind, told["error"]) == ("error", texts.EXPIRED)
