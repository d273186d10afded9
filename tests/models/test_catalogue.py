"""The menu's list: sizes that the architectures really have, and facts read off the families."""

from __future__ import annotations

from datetime import date

import pytest
import torch
import transformers

from explainer.errors import ModelError
from explainer.models import FAMILIES, family_class
from explainer.models.loading import catalogue
from explainer.models.loading.catalogue import Entry
from explainer.models.loading.hub import page_of
from explainer.models.loading.memory import (
    BITS,
    free_memory,
    largest_weights,
    weight_bytes,
    with_room,
)
from explainer.recording.load import load
from explainer.recording.sizes import photograph_costs
from explainer.serving.facts import collect_facts
from tests import tiny, tiny_tiles
from tests.model_tables import PAGE, with_model_tables
from tests.models.published import LANGUAGE, config

EXAMPLES = catalogue.FOLDER.parent / "examples"


@pytest.mark.parametrize("entry", catalogue.hub(), ids=lambda e: e.id)
def test_sizes_are_those_of_the_architecture(entry):
    with torch.device("meta"):
        model = getattr(transformers, family_class(entry.model_type).model_class)(config(entry))
    words, out = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    tied = LANGUAGE[entry.id][1]
    assert entry.parameters == model.num_parameters()
    tower = (
        p.numel() for name, p in model.named_parameters() if name.split(".")[1].startswith("vis")
    )
    assert entry.tower == sum(tower)
    by_layer = getattr(model.get_decoder(), "embed_tokens_per_layer", None)
    more = 0 if by_layer is None else by_layer.weight.numel()
    assert entry.embeddings == words.numel() + more + (0 if tied else out.numel())


def test_every_family_has_models_in_the_list():
    assert {e.model_type for e in catalogue.hub()} == set(FAMILIES)
    for entry in catalogue.hub():
        assert entry.licence
        assert entry.parameters
        assert page_of(entry.id).endswith(f"/{entry.id}")
        date.fromisoformat(f"{entry.released}-01")


def test_downloads_have_the_size_of_the_published_files():
    # Sizes of the safetensors files on the hub, in bytes rounded as its pages round them.
    published = {
        "HuggingFaceTB/SmolVLM2-256M-Video-Instruct": 1.03e9,
        "HuggingFaceTB/SmolVLM2-500M-Video-Instruct": 2.03e9,
        "HuggingFaceTB/SmolVLM2-2.2B-Instruct": 8.99e9,
        "HuggingFaceTB/SmolVLM-500M-Instruct": 1.02e9,
        "OpenGVLab/InternVL3_5-1B-HF": 2.12e9,
        "OpenGVLab/InternVL2_5-1B": 1.88e9,
    }
    listed = {e.id: e.download_bytes for e in catalogue.hub()}
    assert all(listed.values())
    assert {name: listed[name] for name in published} == pytest.approx(published, rel=0.01)
    assert Entry("x", parameters=500).download_bytes is None
    assert Entry("x", parameters=500, dtype="float32", folder=EXAMPLES).download_bytes is None


def test_the_tables_of_the_docs_are_current():
    page = PAGE.read_text("utf-8")
    for model_type in FAMILIES:
        assert f"\n| {family_class(model_type).label} | " in page
    assert with_model_tables(page) == page, "run: python -m tests.model_tables"


def test_the_memory_formula():
    assert weight_bytes(1_000, 0, "float32") == 4_000
    assert weight_bytes(1_000, 200, "bfloat16") == 2_000
    assert weight_bytes(1_000, 200, "4bit") == 800 * 4.5 / 8 + 200 * 2
    assert weight_bytes(1_000, 200, "8bit") == 800 + 400
    assert with_room(1_000_000) == 1_050_000 + 770 * 150_000
    assert with_room(10**11) == 10**11 + 1_500_000_000 + 770 * 150_000
    for free in (10**9, 10**11):
        assert with_room(round(largest_weights(free))) == pytest.approx(free)
    assert Entry("x", "qwen2_vl", 500).needs("float32") == with_room(2_000, tokens=710)
    assert Entry("x", parameters=500).needs("float32") == with_room(2_000)
    assert Entry("x").needs("float32") is None


def test_a_4_bit_model_needs_less_than_a_16_bit_one():
    for entry in catalogue.hub():
        needs = [entry.needs(p) for p in ("float32", "bfloat16", "8bit", "4bit")]
        assert needs == sorted(needs, reverse=True)
        assert set(BITS) >= {"float32", "bfloat16", "8bit", "4bit"}


def test_free_memory_is_said_or_unknown():
    free = free_memory("cpu")
    assert free is None or free > 0
    assert free_memory("no such device") is None


def test_the_bundled_models_are_found_by_listing(tmp_path, qwen_folder):
    (tmp_path / "a").symlink_to(qwen_folder)
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "config.json").write_text('{"model_type": "bert"}')
    (entry,) = catalogue.bundled(tmp_path)
    assert entry.model_type == "qwen2_vl"
    assert entry.bundled
    assert catalogue.bundled(tmp_path / "none") == []


@pytest.mark.slow
@pytest.mark.parametrize("entry", catalogue.bundled(), ids=lambda e: e.id)
def test_every_example_works_with_every_bundled_model(entry):
    pytest.importorskip("gradio")  # package_ages may install none
    from explainer.ui.layout import load_examples

    explainer = load(entry.source, device="cpu")
    smaller, sizes = max(0.5, explainer.family.alphas[0]), set()
    for example in load_examples(EXAMPLES):
        picture = example.picture.pixels
        scales = [] if picture.shape in sizes else [smaller]  # it depends on the size alone
        sizes.add(picture.shape)
        run = explainer.record(picture, example.prompt, scales=scales, max_new_tokens=2)
        assert run.alphas == (1.0, *scales)


def test_sizes_of_a_folder_are_read_off_its_weights(qwen_folder, qwen, tmp_path):
    entry = catalogue.make_folder_entry(qwen_folder)
    words = qwen.family.model.get_input_embeddings().weight.numel()
    assert entry.parameters == qwen.family.model.num_parameters()
    assert entry.embeddings == words
    assert entry.id == qwen.model_id
    (tmp_path / "config.json").write_text("not json")
    assert catalogue.make_folder_entry(tmp_path).parameters == 0


def test_the_licence_comes_from_the_card(tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# x\nlicense: none\n")
    assert catalogue.make_folder_entry(tmp_path).licence == "mit"


def test_what_a_model_can_do_is_read_off_its_family():
    for model_type in FAMILIES:
        family, said = family_class(model_type), catalogue.describe_abilities(model_type)
        assert said.startswith(f"{family.label}: ")
        assert said.endswith(family.note or ".")
        assert ("none above" in said) == (family.alphas[1] <= 1)
        assert ("one picture" in said) == (getattr(family, "max_images", 1) == 1)
    assert "up to 16 pictures or a video a prompt" in catalogue.describe_abilities("qwen2_vl")
    assert "video" not in catalogue.describe_abilities("llava")
    assert catalogue.describe_abilities("bert") == ""


def test_facts_of_a_loaded_model(qwen):
    assert collect_facts(qwen) == {
        "label": "Qwen2-VL", "alphas": (0.1, 2.0), "model_type": "qwen2_vl",
        "device": "cpu", "dtype": "float32", "repetition_penalty": 1.0, "can_think": False,
        "answer_costs": photograph_costs(qwen.family),
    }  # fmt: skip
    assert collect_facts(None) == {}


def test_a_known_id_brings_its_facts_and_any_revision():
    entry = catalogue.entry_for("llava-hf/llava-1.5-7b-hf", "v1")
    assert (entry.model_type, entry.revision) == ("llava", "v1")
    assert catalogue.entry_for("some/other").parameters == 0


def test_what_is_offered(qwen_folder):
    start = catalogue.entry_for(str(qwen_folder))
    ids = [e.id for e in catalogue.offered(start, None, public=False)]
    assert ids[0] == qwen_folder.name
    assert set(ids) >= {e.id for e in catalogue.hub()}
    shown = catalogue.offered(start, None, public=True)
    assert {e.kind for e in shown[1:]} <= {catalogue.BUNDLED}
    named = catalogue.offered(start, ["a/b", "a/b"], public=True)
    assert [e.id for e in named if e.kind != catalogue.BUNDLED] == [qwen_folder.name, "a/b"]


@pytest.mark.parametrize("make", [tiny_tiles.llava, tiny_tiles.internvl], ids=["llava", "internvl"])
def test_a_scale_that_the_family_does_not_have_is_refused_with_its_name(make, tmp_path):
    explainer = load(make(tmp_path / "m"), device="cpu")
    low, high = explainer.family.alphas
    with pytest.raises(ModelError.__mro__[1], match=f"{explainer.family.label}.*{low:g}..{high:g}"):
        explainer.record(tiny.image(), "What?", scales=[high + 0.5], max_new_tokens=1)
