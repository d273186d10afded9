"""Paths that visitors name: nothing is opened but what was uploaded, and nothing is told."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explainer.ui.doors import Refused, check_value, uploaded_file
from explainer.ui.guarded_blocks import GuardedBlocks
from explainer.web import texts
from tests.attack.conftest import META, Server

FORMS = ("bare", "meta", "full")


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((40, 40, 3), shade, np.uint8)).save(file, "PNG")
    return file.getvalue()


def file_value(path: Any, form: str) -> dict[str, Any]:
    """Return a file as a browser, or somebody else, could send it."""
    if form == "bare":
        return {"path": path}
    if form == "meta":
        return {"path": path, "meta": META}
    return {"path": path, "url": path, "orig_name": "a.png", "is_stream": True, "meta": META}


def hostile_paths(server: Server, private: Path) -> dict[str, Any]:
    """Return paths of every kind that must not be opened, whether they exist or not."""
    theirs = server.upload(png(11), "theirs.png")
    digest = hashlib.sha256(png(11)).hexdigest()
    link = server.uploads / ("a" * 64) / "link.png"
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(private)
    loop = link.with_name("loop.png")
    if not loop.is_symlink():
        loop.symlink_to(loop)
    loose = server.uploads / "loose.png"
    loose.write_bytes(png(12))
    return {
        "absolute": str(private),
        "missing": str(private.with_name("missing.png")),
        "system": "/etc/passwd",
        "device": "/dev/zero",
        "folder": str(private.parent),
        "upload folder": str(server.uploads),
        "folder of an upload": str(Path(theirs).parent),
        "relative": os.path.relpath(private),
        "relative upload": os.path.relpath(theirs),
        "up from an upload": f"{Path(theirs).parent}/../../{private.parent.name}/private.png",
        "file address": f"file://{private}",
        "file address of an upload": f"file://{theirs}",
        "http address": f"{server.url}gradio_api/file={theirs}",
        "far address": "http://192.0.2.1/private.png",
        "data address": "data:image/png;base64,AAAA",
        "link out": str(link),
        "loop of links": str(loop),
        "beside uploads": str(loose),
        "guessed by content": str(server.uploads / digest / "theirs.png"),
        "guessed by name": str(server.uploads / ("0" * 64) / "theirs.png"),
        "home": "~/private.png",
        "empty": "",
        "dot": ".",
        "zero byte": f"{private}\0.png",
        "long": "/a" * 4000,
        "number": 7,
        "none": None,
        "list": [str(private)],
        "object": {"path": str(private)},
    }


def test_no_path_but_of_an_upload_is_taken(server, private):
    for name, path in hostile_paths(server, private).items():
        with pytest.raises(Refused) as refused:
            uploaded_file(path)
        assert str(refused.value) == texts.NO_UPLOAD, name
        for form in FORMS:
            with pytest.raises(Refused):
                check_value({"value": [file_value(path, form)]})
    with pytest.raises(Refused):
        check_value({"url": str(private)})


def test_an_upload_is_taken_without_addresses_that_came_with_it(server):
    path = server.upload(png(13))
    told = check_value({"path": path, "url": "http://192.0.2.1/", "is_stream": True, "meta": {}})
    assert told == {"path": path, "orig_name": None, "meta": META}


@pytest.mark.parametrize("form", FORMS)
def test_record_says_the_same_of_every_path(server, private, form):
    for name, path in hostile_paths(server, private).items():
        picture = file_value(path, form)
        body = {"picture": picture, "prompt": "x"}
        kind, told = server.call("record", body, "call/v2")
        assert (kind, told["error"]) == ("error", texts.NO_UPLOAD), name
    assert not list(Path(server.uploads).glob("*/private.png")), "it was copied"


def test_every_way_to_call_refuses_in_the_same_words(server, private):
    index, picture = server.index("record"), {"path": str(private)}
    rest = [None] * (len(server.demo.fns[index].inputs) - 1)
    kind, told = server.call("record", {"data": [picture, *rest]})
    assert (kind, told["error"]) == ("error", texts.NO_UPLOAD)
    assert server.run(index, [picture, *rest]).json()["error"] == texts.NO_UPLOAD
    assert server.post("api/record", {"data": [picture, *rest]}).json()["error"] == texts.NO_UPLOAD
    assert server.join(index, [picture, *rest], "attacker-1")["error"] == texts.NO_UPLOAD
    more = server.call("record", {"picture": None, "more": [picture], "prompt": "x"}, "call/v2")
    assert more[1]["error"] == texts.NO_UPLOAD


def test_every_input_of_every_function_refuses_files_that_were_not_uploaded(server, private):
    assert isinstance(server.demo, GuardedBlocks)
    calls = 0
    for index, fn in server.demo.fns.items():
        for place in range(len(fn.inputs)):
            for value in (file_value(str(private), "bare"), [{"a": file_value("/x.png", "meta")}]):
                data: list[Any] = [None] * len(fn.inputs)
                data[place] = value
                answer = server.run(index, data)
                assert answer.json().get("error") == texts.NO_UPLOAD, (fn.api_name, place)
                calls += 1
    assert calls > 100


def test_no_function_takes_event_data_past_the_check(server):
    assert [fn.api_name for fn in server.demo.fns.values() if fn.collects_event_data] == []


def test_every_function_that_scripts_call_refuses_them_too(server, private):
    calls = 0
    for number, block in server.demo.blocks.items():
        for function in getattr(block, "server_fns", []):
            body = {
                "data": {"run": file_value(str(private), "meta")},
                "component_id": number,
                "fn_name": function.__name__,
                "session_hash": "attacker",
            }
            answer = server.post("component_server", body)
            assert (answer.status_code, answer.json()["detail"]) == (400, texts.NO_UPLOAD)
            calls += 1
    assert calls >= 9


def test_files_are_served_only_to_who_knows_their_whole_name(server, private):
    theirs = server.upload(png(14), "theirs.png")
    ours = server.http.get(f"{server.url}gradio_api/file={theirs}")
    assert (ours.status_code, ours.content) == (200, png(14))
    for name, path in hostile_paths(server, private).items():
        if isinstance(path, str) and "\0" not in path:
            answer = server.http.get(f"{server.url}gradio_api/file={path}")
            assert answer.status_code in (403, 404), name
            assert answer.json()["detail"] in (texts.NO_UPLOAD, texts.NO_SUCH_ADDRESS), name
