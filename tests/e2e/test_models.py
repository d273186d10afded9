"""The model menu in a browser: choosing, failing, cancelling, and what follows the model."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from explainer.export import colour_table
from explainer.methods import METHODS
from explainer.methods.subjects import Span, explain_subject
from explainer.models.loading import catalogue
from explainer.models.loading.catalogue import BUNDLED, HUB, Entry, make_folder_entry
from explainer.models.loading.options import WEIGHTS, LoadStep
from explainer.recording.load import load
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.serving.rules import Rules
from explainer.ui.layout import build_demo, launch_options
from explainer.ui.model_menu import ModelMenu
from explainer.web import controls, payload
from tests import tiny, tiny_tiles
from tests.e2e.pages import pictures

SAID = ".sl-model-said"
TABLE = colour_table("inferno").astype(int)
GATED = Entry("org/gated", "qwen2_vl", 9_000_000_000, 0, 0, "Gated Licence", HUB)
SLOW = Entry("org/slow", "qwen2_vl", 500_000_000, 0, 0, "Slow Licence", HUB)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two tiny models: one reads pictures at any size, the other at one."""
    home = tmp_path_factory.mktemp("bundled")
    return [tiny.qwen2_vl(home / "tiny-qwen"), tiny_tiles.llava(home / "tiny-llava")]


@contextmanager
def served(folders: list[Path], files: Path, any_model: bool = False) -> Iterator[SimpleNamespace]:
    """Serve a page with a menu: two bundled models, a gated and a slow one."""
    go, bundled = threading.Event(), [make_folder_entry(f, BUNDLED) for f in folders]

    def make(entry, on_progress=lambda step: None, reclaimable=0):
        if entry is SLOW:
            for done in range(10_000):
                on_progress(LoadStep("downloading", done % 100, 100))
                if go.wait(0.02):
                    break
            on_progress(LoadStep(WEIGHTS, 0, 100))
            return load(folders[0], device="cpu")
        return load(entry.source, device="cpu", on_progress=on_progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(files))
        patch.setenv("HF_HUB_OFFLINE", "1")
        models = Models([*bundled, GATED, SLOW], make, Rules(any_model), lambda: 5 * 10**9)
        models.start()
        store = RunStore()
        demo = build_demo(models, store, examples=pictures())
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
        yield SimpleNamespace(url=url, models=models, store=store, go=go)
        demo.close(verbose=False)


@pytest.fixture(scope="module")
def menu(folders, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """One such page for all tests that load no further model."""
    with served(folders, tmp_path_factory.mktemp("menu")) as page:
        yield page


@pytest.fixture(scope="module")
def free_menu(folders, tmp_path_factory) -> Iterator[SimpleNamespace]:
    """The same with a field for any model."""
    with served(folders, tmp_path_factory.mktemp("free"), any_model=True) as page:
        yield page


@pytest.fixture
def loading_menu(folders, tmp_path) -> Iterator[SimpleNamespace]:
    """The same for a test that loads a further model."""
    with served(folders, tmp_path) as page:
        yield page


def chosen(visitor) -> str:
    return visitor.page.get_attribute(".sl-models", "data-model")


def choose(visitor, model: str) -> None:
    visitor.page.select_option("#sl-model", model)
    visitor.page.wait_for_function(
        "want => document.querySelector('.sl-models').dataset.model === want", arg=model
    )


def matches_python(visitor, app) -> str:
    """Check that the canvases show what Python computes for the chosen chip; return the model."""
    key = visitor.page.get_attribute(".sl-view", "data-run")
    chip = int(visitor.page.get_attribute(".sl-view", "data-chip"))
    run = app.store.get(key)
    for name in controls.SHOWN:
        heat = explain_subject(METHODS[name], run, Span(run.chips[chip].tokens))
        levels, shape = payload.levels(heat.parts[0].values, heat.signed) / 255, heat.values.shape
        canvas = visitor.canvas(f"[data-method={name}] .sl-heat")
        rows, columns = (
            ((np.arange(cells) + 0.5) / cells * size).astype(int)
            for cells, size in zip(shape, canvas.shape[:2], strict=True)
        )
        distance = np.abs(canvas[rows][:, columns, None] - TABLE).sum(axis=-1)
        assert distance.min(axis=-1).max() == 0, "not a colour of the table"
        seen = distance.argmin(axis=-1) / 255
        for row, column in np.ndindex(shape):
            near = levels[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            slope = np.abs(near - levels[row, column]).max()
            gap = abs(seen[row, column] - levels[row, column])
            assert gap <= 0.01 + slope / 8, (name, row, column)
    return run.model_id


def test_another_bundled_model_answers_and_its_maps_are_its_own(menu, visit, folders):
    visitor = visit(menu.url)
    visitor.explain()
    assert matches_python(visitor, menu) == "tiny-qwen"
    first = visitor.page.get_attribute(".sl-view", "data-run")
    choose(visitor, folders[1].name)
    assert "none above" in visitor.page.inner_text(".sl-model-line")
    visitor.page.click("#sl-run")
    visitor.page.wait_for_function(
        "old => { const run = document.querySelector('.sl-view').dataset.run; "
        "return run && run !== old; }",
        arg=first,
    )
    visitor.wait_for_maps()
    assert matches_python(visitor, menu) == "tiny-llava"
    assert "tiny-llava" in visitor.page.inner_text(".sl-line")
    visitor.shot("menu-1440x900")


def test_scales_follow_the_model(menu, visit, folders):
    visitor = visit(menu.url)
    spare = ".sl-dial[data-name=alpha4] input[type=range]"
    highest = controls.panel_spec().scales.high
    visitor.settled(f"{highest:g}", f"document.querySelector('{spare}').max")
    assert visitor.page.input_value(spare) == "1.25"
    choose(visitor, folders[1].name)
    visitor.settled("1", f"document.querySelector('{spare}').max")
    assert visitor.page.input_value(spare) == "1"
    assert "none" not in visitor.page.get_attribute(".sl-scales", "title")
    assert "LLaVA" in visitor.page.get_attribute(".sl-scales", "title")
    visitor.explain()
    choose(visitor, folders[0].name)
    visitor.settled("1.25", f"document.querySelector('{spare}').value")


def test_a_run_stays_explainable_and_takes_scales_after_its_model_was_left(menu, visit, folders):
    visitor = visit(menu.url)
    visitor.explain()
    choose(visitor, folders[1].name)
    visitor.page.click(".sl-answer .sl-chip >> nth=0")
    visitor.wait_for_maps()
    visitor.page.check(".sl-dial[data-name=alpha5] input[type=checkbox]")
    key = visitor.page.get_attribute(".sl-view", "data-run")
    visitor.until(lambda: 0.25 in menu.store.get(key).alphas)  # bundled models stay loaded
    visitor.wait_for_maps()
    assert visitor.message() == ""


def test_a_model_that_cannot_be_had_leaves_the_old_one_working(menu, visit, folders):
    visitor = visit(menu.url)
    visitor.page.select_option("#sl-model", GATED.id)
    visitor.page.wait_for_selector(f"{SAID}[data-kind=error]:not(:empty)")
    said = visitor.page.inner_text(SAID)
    assert GATED.id in said
    assert "tiny-qwen still answers" in said
    assert "Traceback" not in said
    assert visitor.page.get_attribute(SAID, "role") == "alert"
    assert chosen(visitor) == visitor.page.input_value("#sl-model") == folders[0].name
    visitor.shot("menu-error")
    visitor.explain()
    assert matches_python(visitor, menu) == "tiny-qwen"


def test_what_became_of_a_choice_outlasts_what_the_page_asked_before(menu, visit, monkeypatch):
    opening, refresh = threading.Event(), ModelMenu.refresh

    def late(menu, value):
        assert opening.wait(20)
        return refresh(menu, value)

    monkeypatch.setattr(ModelMenu, "refresh", late)
    visitor = visit(menu.url)
    visitor.page.select_option("#sl-model", GATED.id)
    visitor.page.wait_for_selector(f"{SAID}[data-kind=error]:not(:empty)")
    opening.set()
    visitor.quiet()
    assert GATED.id in visitor.page.inner_text(SAID)


def test_loading_shows_how_far_it_is_and_the_old_model_answers_meanwhile(loading_menu, visit):
    visitor = visit(loading_menu.url)
    visitor.page.select_option("#sl-model", SLOW.id)
    stage = visitor.page.locator(".sl-model-stage")
    stage.filter(has_text=re.compile(r"org/slow: downloading, \d+ %, \d+ s")).wait_for()
    visitor.shot("menu-loading")
    assert visitor.page.is_disabled("#sl-model")
    visitor.explain()
    assert "tiny-qwen" in visitor.page.inner_text(".sl-line")
    loading_menu.go.set()
    visitor.settled(SLOW.id, "document.querySelector('.sl-models').dataset.model")
    assert not stage.is_visible()
    assert "loaded" in visitor.page.locator("#sl-model option:checked").inner_text()


def test_loading_can_be_cancelled(menu, visit, folders):
    visitor = visit(menu.url)
    visitor.page.select_option("#sl-model", SLOW.id)
    visitor.page.click(".sl-model-stop")
    visitor.page.wait_for_selector(f"{SAID}[data-kind=note]:not(:empty)")
    assert "stopped" in visitor.page.inner_text(SAID)
    assert chosen(visitor) == folders[0].name
    assert visitor.page.is_enabled("#sl-model")
    visitor.explain()


def test_each_visitor_has_the_bundled_model_of_their_choice(menu, visit, folders):
    one, other = visit(menu.url), visit(menu.url)
    choose(one, folders[1].name)
    for visitor, name in ((one, "tiny-llava"), (other, "tiny-qwen")):
        visitor.explain()
        assert name in visitor.page.inner_text(".sl-line")


def test_entries_are_grouped_and_say_what_they_need(menu, visit):
    visitor = visit(menu.url)
    groups = visitor.page.locator("#sl-model optgroup")
    assert [groups.nth(i).locator("option").count() for i in range(groups.count())] == [2, 2]
    gated = visitor.page.locator(f"#sl-model option[value='{GATED.id}']").inner_text()
    assert gated.endswith("needs 38 GB, 5.0 free")


def test_the_menu_works_from_the_keyboard(menu, visit, folders):
    visitor = visit(menu.url)
    visitor.page.focus("#sl-model")
    visitor.page.keyboard.press("ArrowDown")
    visitor.settled(folders[1].name, "document.querySelector('.sl-models').dataset.model")


def test_free_text_only_if_the_owner_says_so(free_menu, menu, visit, folders):
    assert not visit(menu.url).page.is_visible(".sl-model-id")
    visitor = visit(free_menu.url)
    for name in ("/no/such/folder", str(folders[0])):
        visitor.page.fill(".sl-model-id", name)
        visitor.page.keyboard.press("Enter")
        visitor.settled("true", f"document.querySelector('{SAID}').textContent.includes('{name}')")
        assert "not one of the models offered here" in visitor.page.inner_text(SAID)
    visitor.page.fill(".sl-model-id", "org/none")
    visitor.page.click(".sl-model-load")
    visitor.settled("true", f"document.querySelector('{SAID}').textContent.includes('org/none is')")
    assert chosen(visitor) == folders[0].name


def test_the_part_that_explains_the_page_names_the_model(menu, visit):
    visitor = visit(menu.url)
    visitor.page.click("text=How to read it")
    told = visitor.page.inner_text(".sl-details")
    assert "tiny-qwen (Qwen2-VL" in told
    assert "on cpu in float32" in told


CASES = list(product(("light", "dark"), (390, 1440), (900,)))


def test_the_menu_fits_and_is_readable(free_menu, visit):
    visitor = visit(free_menu.url, 390)
    visitor.page.select_option("#sl-model", SLOW.id)
    visitor.page.wait_for_selector(".sl-model-stage:visible")
    told = visitor.page.inner_text(".sl-model-line")  # beneath the closed menu, which cuts it
    assert re.fullmatch(r"[\d.]+ GB of memory · .*Slow Licence", told)
    for theme, width, height in CASES:
        case = visitor.dress(theme, width, height)
        visitor.shot(f"menu-{width}-{theme}-loading")
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == width, case
        shown = ("#sl-model", ".sl-model-id", ".sl-model-stop", ".sl-model-line")
        for part in shown:
            box = visitor.page.locator(part).bounding_box()
            assert box["x"] >= 0, (case, part)
            assert box["x"] + box["width"] <= width, (case, part)
    visitor.page.click(".sl-model-stop")
    visitor.page.wait_for_selector(f"{SAID}:not(:empty)")
    visitor.explain()
    for theme, width, height in CASES:
        case = visitor.dress(theme, width, height)
        visitor.shot(f"menu-{width}-{theme}")
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == width, case


def test_the_list_of_the_hub_is_in_the_real_menu():
    assert len(catalogue.hub()) >= 4
