"""The HTML file: small, closed in itself, and safe whatever was said."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from explainer.evaluation.synthetic import synthetic_run
from explainer.export import Chosen, Exhibit, Look, chips
from explainer.methods import COMPARISON, METHODS
from explainer.probing.sources import describe_sources
from explainer.run import ANSWER, Run
from explainer.ui.sections import FOLDERS
from explainer.web import scripts as web
from explainer.web.controls import SHOWN
from explainer.web.evidence_message import evidence_message
from explainer.web.one_file import one_file
from explainer.web.scripts import page_script
from tests.evidence_reader import read
from tests.ui.fake import FakeExplainer, fake_run, with_layers

HOSTILE = ("</script><script>alert(1)</script>", "<!--", "\u2028", "&lt;", "${x}", "]]>", "\ud800")


CHOSEN = tuple(Chosen(METHODS[name], METHODS[name].settings()) for name in SHOWN)


def file_of(run: Run, names: tuple[str, ...] = SHOWN, look: Look | None = None) -> str:
    chosen = tuple(Chosen(METHODS[name], METHODS[name].settings()) for name in names)
    made = Exhibit(run, chosen, tuple(chips(run)), look or Look(), "2026-01-02")
    return one_file(made).decode()


class Page(HTMLParser):
    """What a browser takes for elements, attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.texts:
            self.inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[self.inside][-1] += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]


def test_the_policy_allows_the_script_and_the_style_of_the_file_and_nothing_else():
    page = Page(file_of(fake_run()))
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for kind, tag in (("script", page.texts["script"][1]), ("style", page.texts["style"][0])):
        digest = base64.b64encode(hashlib.sha256(tag.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    for _, attrs in page.tags:
        assert not {"src", "href", "style", "onload", "onclick"} & attrs.keys()


def test_hostile_words_stay_within_the_data():
    run = fake_run(HOSTILE, prompt="</script><img src=x onerror=alert(1)> </title>")
    page = Page(file_of(replace(run, model_id="<b>&\u2029")))
    assert [s.get("type") for s in page.all("script")] == ["application/json", None]
    assert not page.all("img")
    data = json.loads(page.texts["script"][0])
    assert data["prompt"] == run.prompt
    assert "<b>&" in data["line"]
    said = [c["text"] for c in data["bar"]["chips"] if c["role"] == "answer"]
    assert said[0] == HOSTILE[0]
    assert page.texts["title"][0].endswith("</title>"), "as text"


@pytest.mark.parametrize("grid", [(24, 24), (36, 28)])
def test_an_ordinary_run_takes_less_than_three_megabytes(grid):
    """60 words and 3 methods; the picture is noise, of which no picture takes more."""
    sizes = {a: tuple(round(a * side) for side in grid) for a in (1.0, 0.75, 0.5)}
    rng = np.random.default_rng(0)
    run = synthetic_run(rng, n_answer=60, grids=sizes, image_size=(768, 1024))
    text = file_of(run)
    size = len(text.encode())
    print(f"one HTML file, 60 words, picture of noise, grid {grid}: {size / 1e6:.2f} MB")
    assert size <= 3_000_000
    data = json.loads(Page(text).texts["script"][0])
    header, _ = read(base64.b64decode(data["live"]["evidence"]))
    (view,) = header["scales"][0]["views"]
    assert (len(view["y"]) - 1, len(view["x"]) - 1) == grid
    assert len(data["entries"]) == 65


def data_of(exhibit: Exhibit) -> dict[str, Any]:
    return json.loads(Page(one_file(exhibit).decode()).texts["script"][0])


def test_the_file_says_what_its_answer_rests_on():
    run = FakeExplainer().add_sources(FakeExplainer().add_evidence(fake_run()))
    chosen = (Chosen(METHODS["tam"], METHODS["tam"].settings()),)
    data = data_of(Exhibit(run, chosen, tuple(chips(run))))
    assert data["line"].endswith(describe_sources(run))
    first = str(next(i for i, chip in enumerate(run.chips) if chip.role == ANSWER))
    assert "rests 100 % on the picture" in data["bar"]["rests"][first]["text"]


def test_the_sliders_begin_with_the_settings_shown():
    run = fake_run()
    settings = METHODS["msea_arc"].settings(
        scales=[1.0, 0.5], scale_weights=[1, 2], k=7, beta=0.5, normalisation="token", fuse="mean"
    )
    other = METHODS["arc"].settings(k=7, beta=0.5)
    chosen = (Chosen(METHODS["msea_arc"], settings), Chosen(METHODS["arc"], other))
    data = data_of(Exhibit(run, chosen, tuple(chips(run))))
    value = data["live"]["sliders"]["value"]
    assert value["alphas"] == [[1.0, True], [0.5, True], [0.75, False]]
    assert value["weights"] == [1, 2, 1]
    assert (value["k"], value["beta"]) == (7, 0.5)
    told = data["live"]["options"]
    spec = {m["name"]: [told["knobs"][i]["name"] for i in m["knobs"]] for m in told["spec"]}
    assert list(spec) == list(METHODS)
    assert spec["tam"] == [k.name for k in METHODS["tam"].knobs]
    options = told["value"]
    assert list(options) == data["view"]["shown"] == ["msea_arc", "arc"]
    assert options["msea_arc"]["normalisation"] == "token"
    assert "normalisation token" in data["print"]["methods"]["msea_arc"]
    assert [e["maps"] for e in data["entries"]] == [[]] * len(data["entries"]), "computed there"


def test_methods_that_differ_where_there_is_one_slider_have_the_maps_of_python():
    run = fake_run()
    both = [Chosen(METHODS[n], METHODS[n].settings(k=k)) for n, k in (("msea_arc", 7), ("arc", 9))]
    data = data_of(Exhibit(run, tuple(both), tuple(chips(run))))
    assert data["live"] is None
    assert [m["name"] for m in data["entries"][-1]["maps"]] == ["msea_arc", "arc"]
    assert [m["name"] for m in data["view"]["methods"]] == ["msea_arc", "arc"]


def test_a_method_of_ones_own_has_the_maps_of_python():
    run, own = fake_run(), replace(METHODS["tam"], label="Ours")
    data = data_of(Exhibit(run, (Chosen(own, own.settings()),), tuple(chips(run))))
    assert data["live"] is None
    assert data["entries"][-1]["maps"][0]["parts"]


def test_maps_of_methods_that_ask_the_model_are_in_the_file():
    run, method = fake_run(), COMPARISON["grad_cam"]
    tokens = [token for chip in run.chips for token in chip.tokens]
    values = np.ones(len(run.scales[0].states), np.float32)
    maps = {method.key(token, method.settings()): values for token in tokens}
    chosen = tuple(Chosen(m, m.settings()) for m in (METHODS["tam"], method))
    data = data_of(Exhibit(run.with_attributions(maps, {}), chosen, tuple(chips(run))))
    assert {m["name"] for e in data["entries"] for m in e["maps"]} == {"grad_cam"}
    assert data["live"]["options"]["value"]["grad_cam"] == {}


def test_comparison_maps_that_the_run_holds_are_offered_though_not_chosen():
    run, eagle, cam = fake_run(), COMPARISON["eagle"], COMPARISON["grad_cam"]
    token = int(run.indices(ANSWER)[1])
    values = np.ones(len(run.scales[0].states), np.float32)
    keys = [
        eagle.key(token, eagle.settings(regions=16)),
        (cam.name, token, (("unknown", 1),)),
        ("of_another_program", token, ()),
    ]
    chosen = (Chosen(METHODS["tam"], METHODS["tam"].settings()),)
    held = run.with_attributions(dict.fromkeys(keys, values), {})
    data = data_of(Exhibit(held, chosen, tuple(chips(run))))
    assert data["view"]["shown"] == ["tam"]
    assert [m["name"] for m in data["view"]["methods"]] == [*METHODS, "eagle"]
    assert [m["name"] for m in data["live"]["options"]["spec"]] == [*METHODS, "eagle"]
    assert "regions 16" in data["print"]["methods"]["eagle"]
    maps = {e["subject"]["chip"]: e["maps"][0] for e in data["entries"]}
    chip = next(i for i, c in enumerate(run.chips) if c.tokens == (token,))
    assert maps.pop(chip)["parts"]
    assert all(map["why"].startswith("Not computed for this word") for map in maps.values())


def test_a_run_with_layers_has_the_evidence_of_each():
    run = with_layers(fake_run())
    live = data_of(Exhibit(run, CHOSEN, tuple(chips(run))))["live"]
    ids = {i for told in live["held"] for i in told["ids"]}
    assert ids
    assert list(live["layers"]) == ["1", "2"]
    for number, message in live["layers"].items():
        wanted = evidence_message(run.at_layer(int(number)), ids)
        assert base64.b64decode(message) == wanted


def test_candidates_of_every_place_have_rows_and_can_be_set_against_what_was_said():
    run = fake_run()
    data = data_of(Exhibit(run, CHOSEN, tuple(chips(run))))
    _, arrays = read(base64.b64decode(data["live"]["evidence"]))
    subjects = [c["subject"] for place in data["beside"]["places"] for c in place]
    unsaid = [subject for subject in subjects if "at" in subject]
    assert len(data["beside"]["places"]) == len(run.chips)
    assert [held["subject"] for held in data["live"]["held"]] == unsaid
    assert {i for subject in unsaid for i in subject["ids"]} <= set(arrays["ids"].tolist())
    assert "edit" not in data["beside"]["words"], "that needs a model"
    known = data["live"]["known"]
    assert known[" dog"] == [int(run.tokens.ids[run.indices(ANSWER)[4]])]
    assert {i for ids in known.values() for i in ids} <= set(arrays["ids"].tolist())


def test_the_file_runs_the_modules_of_the_page_but_none_that_needs_a_server():
    text = file_of(fake_run())
    page, file = (
        set(re.findall(r"\['([\w-]+\.js)'\]\?\?=", s)) for s in (page_script(FOLDERS), text)
    )
    methods = {path.name for path in (web.WEB / "js" / "methods").glob("*.js")}
    steps = {path.name for path in (web.WEB / "js" / "steps").glob("*.js")}
    computing = {"computed.js", "describe.js", "facts.js"}
    assert file - page - methods - steps - computing == {"file.js", "recorded.js"}
    assert steps < file
    assert "msea_arc.js" in file
    assert {f"{part.name}.js" for part in (web.TOKENS, web.MAPS, web.BACKDROP)} < file
    assert "guard.js" not in file, "a file has no server to wait for"
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
