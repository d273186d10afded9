"""From flags to the menu: what is offered where, and how each model is loaded."""

from __future__ import annotations

import importlib.util
from argparse import Namespace
from pathlib import Path

import pytest

from explainer.errors import ModelError
from explainer.models import family_class
from explainer.models.loading.catalogue import BUNDLED, NAMED
from explainer.models.loading.precision import TINY, auto_dtype
from explainer.recording import load as recording_load
from explainer.serving.page_models import HostPlace, choose_precision, make_models

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def parse(monkeypatch):
    """The flags of app.py, from words and variables of the environment."""

    def read(*words: str, **variables: str) -> Namespace:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("app_for_its_menu", ROOT / "app.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.parse(words)

    return read


def offered(models) -> list[str]:
    return [e.id for e in models.entries if e.kind != BUNDLED]


def test_a_person_at_home_is_offered_the_whole_list(parse):
    models = make_models(parse())
    assert "Qwen/Qwen2-VL-2B-Instruct" in offered(models)
    assert not models.rules.any_model
    assert models.entry("").bundled


def test_a_public_server_offers_what_its_owner_named(parse):
    assert offered(make_models(parse(), HostPlace(public=True))) == []
    models = make_models(parse("--models", " a/b, ,c/d"), HostPlace(public=True))
    assert offered(models) == ["a/b", "c/d"]
    assert "owner" in models.rules.why
    with pytest.raises(ModelError, match="not one of the models offered here"):
        models.entry("Qwen/Qwen2-VL-2B-Instruct")


def test_the_environment_says_the_same(parse):
    flags = parse(SIGHTLINE_MODELS="a/b", SIGHTLINE_ALLOW_ANY_MODEL="1", SIGHTLINE_MODEL="c/d")
    models = make_models(flags, HostPlace(public=True))
    assert offered(models) == ["c/d", "a/b"]
    assert models.entry("any/thing").id == "any/thing"


def test_a_variable_can_say_no(parse):
    assert not make_models(parse(SIGHTLINE_ALLOW_ANY_MODEL="0")).rules.any_model


def test_on_zero_gpu_nothing_is_loaded_later(parse):
    models = make_models(
        parse("--models", "a/b", "--allow-any-model"), HostPlace(True, zero_gpu=True)
    )
    assert models.rules.at_start_only
    assert not models.rules.any_model
    assert "when the Space starts" in models.rules.why


def test_what_weights_are_loaded_in(parse):
    assert choose_precision(parse("--device", "cpu")) == auto_dtype(TINY)
    assert choose_precision(parse("--device", "cpu", "--dtype", "bfloat16")) == "bfloat16"
    assert choose_precision(parse("--quantize", "4bit")) == "4bit"


def test_flags_reach_the_models_that_they_are_meant_for(parse, monkeypatch, qwen_folder):
    seen = {}

    def load(model, **options):
        seen[model] = options
        raise ModelError("not now")

    monkeypatch.setattr(recording_load, "load", load)
    flags = parse(
        "--model", str(qwen_folder), "--adapter", "lora", "--quantize", "4bit", "--tiles", "2",
        "--device", "cpu", "--revision", "v1",
    )  # fmt: skip
    models = make_models(flags)
    for entry in models.entries:
        with pytest.raises(ModelError):
            models._load(entry)
    mine = seen[str(qwen_folder)]
    assert (mine["adapter"], mine["quantize"], mine["tiles"]) == ("lora", "4bit", 2)
    other = seen["Qwen/Qwen2-VL-2B-Instruct"]
    assert other["quantize"] == "4bit"
    assert not {"adapter", "tiles"} & set(other), "neither fits this model"
    for entry in models.entries[1:]:
        tiles = not entry.bundled and "tiles" in family_class(entry.model_type).OPTIONS
        assert ("tiles" in seen[entry.source]) == tiles
    small = next(e.source for e in models.entries if e.bundled)
    assert set(seen[small]) <= {"device", "dtype", "revision"}


def test_a_real_model_is_loaded_and_asked(parse, qwen_folder):
    models = make_models(parse("--model", str(qwen_folder), "--device", "cpu"))
    models.start()
    with models.use("") as entry:
        assert models.loaded(entry.id).model_id == qwen_folder.name


def test_visitors_name_hub_ids_alone_and_never_see_a_folder(parse, monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr(
        recording_load, "load", lambda model, **options: seen.update({model: options})
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "org" / "name" / "config.json").write_text("{}")
    flags = parse("--model", str(tmp_path / "org" / "name"), "--allow-any-model")
    models = make_models(flags)
    assert not [e.id for e in models.entries if "/" in e.id and e.kind != "hub"]
    for name in (
        str(tmp_path / "org" / "name"),
        "./org/name",
        "../x",
        "org",
        "a/b/c",
        "a/..",
        "~/x",
    ):
        with pytest.raises(ModelError, match="not one of the models"):
            models.entry(name)
    entry = models.entry("org/name")
    assert entry.kind == NAMED, "a folder of that name counts for nothing"
    models._load(entry)
    assert seen["org/name"]["for_visitor"]
    models._load(models.entries[0])
    assert "for_visitor" not in seen[str(tmp_path / "org" / "name")]


def test_two_folders_of_one_name_are_told_apart(parse, tmp_path):
    folders = [tmp_path / where / "mine" for where in "ab"]
    for folder in folders:
        folder.mkdir(parents=True)
    models = make_models(parse("--model", str(folders[0]), "--models", ",".join(map(str, folders))))
    own = [e for e in models.entries if e.kind == "own"]
    assert [(e.id, e.source) for e in own] == [
        ("mine", str(folders[0])),
        ("mine (2)", str(folders[1])),
    ]
