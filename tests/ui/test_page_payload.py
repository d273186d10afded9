"""What a browser gets of the page: its size, which schemas are in it, and thumbnails by address."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.export import Look
from explainer.ui.published import publish
from explainer.ui.sections import FOLDERS
from explainer.web import controls, payload
from explainer.web.live import methods_module
from explainer.web.scripts import fold_scripts
from tests import house


def test_the_page_stays_small():
    sizes = house.page_payload()
    assert sizes["all"] <= 250_000
    assert sizes["thumbnails"] == 0


def test_only_what_programs_send_is_described(http):
    config = http.get("config").json()
    public = {
        part
        for event in config["dependencies"]
        if event["api_visibility"] == "public"
        for part in (*event["inputs"], *event["outputs"])
    }
    described = {part["id"] for part in config["components"] if "api_info" in part}
    assert described
    assert described <= public
    assert all("example_inputs" not in part for part in config["components"])


def test_a_thumbnail_is_served_by_an_address_that_browsers_keep(http):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 20:40] = (250, 10, 10)
    address = publish(pixels)
    assert publish(pixels.copy()) == address
    answer = http.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.content == payload.thumbnail(pixels)
    assert http.get(f"static/thumbnails/{'0' * 16}.jpg").status_code == 404


def test_the_script_of_a_fold_is_served_by_an_address_that_browsers_keep(http):
    for address, (_, script) in fold_scripts(FOLDERS).items():
        answer = http.get(address)
        assert (answer.status_code, answer.text) == (200, script)
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
    assert http.get("static/folds/hiding.js").status_code == 404


def test_styles_that_only_a_fold_needs_come_with_its_script(http):
    styles = http.get("config").json()["css"]
    for name, script in fold_scripts(FOLDERS).values():
        if name in ("eagle", "map_test"):
            assert "textContent: " in script
            rule = {"eagle": ".sl-eagle-bar", "map_test": ".sl-proof-bar"}[name]
            assert rule in script.partition("textContent: ")[2]
            assert rule not in styles


@pytest.mark.parametrize("name", ["%2e%2e%2fconfig", "x.py"])
def test_no_other_file_has_such_an_address(http, name):
    assert http.get(f"static/thumbnails/{name}").status_code in (404, 403)


def test_options_share_their_knobs():
    told, whole = controls.option_props().as_json(), controls.option_spec()
    assert len(told["knobs"]) < sum(len(method["knobs"]) for method in whole)
    for method in told["spec"]:
        method["knobs"] = [told["knobs"][number] for number in method["knobs"]]
    assert told["spec"] == whole


def test_the_colours_are_sent_once_with_the_methods():
    colours = payload.tables()[Look().colours]
    assert methods_module().text.count(colours) == 1
    assert colours not in house.page_config().text
