"""The repetition penalty: the checkpoint's own by default, what generate() does, and where it is
shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from explainer.errors import ModelError, PromptError
from explainer.evaluation.contract import FAIL, run_checks
from explainer.export.small_print import describe_run
from explainer.models.decoding import Decoding
from explainer.models.picking import Picker, penalise
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, Run
from explainer.run.store import RunStore
from explainer.serving.facts import collect_facts
from explainer.serving.model_pool import Models
from explainer.ui.model_menu import ModelMenu
from explainer.ui.sections.links.links import Links
from explainer.ui.sections.links.parameters import Doubts
from tests import tiny
from tests.models.test_internvl_chat import publish
from tests.recording.test_record import _reference
from tests.shared_models import FAMILIES

TOKENS = 20
PENALTIES = (1.05, 1.5)
GREEDY = "greedy answer = transformers' (8 tokens)"


def _with_penalty(source: Path, place: Path, penalty: Any) -> Path:
    """Return a copy of a checkpoint whose generation config has this penalty."""
    folder = Path(shutil.copytree(source, place))
    file = folder / "generation_config.json"
    told = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**told, "repetition_penalty": penalty}))
    return folder


@pytest.fixture(scope="module", params=[*FAMILIES, "internvl_chat"])
def source(request, family_folders, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """A checkpoint without a penalty, and the options to load it with."""
    if request.param == "internvl_chat":
        folder = tmp_path_factory.mktemp("published") / "model"
        publish(folder)
        return folder, {}
    return family_folders[request.param], FAMILIES[request.param][1]


def _load(folder: Path, options: dict[str, Any]) -> Explainer:
    return load(folder, device="cpu", dtype="float32", **options)


def _record(explainer: Explainer, **options: Any) -> Run:
    return explainer.record(
        tiny.image(), "describe the image.", scales=(), max_new_tokens=TOKENS, **options
    )


def _answer(run: Run) -> list[int]:
    return run.tokens.ids[run.indices(ANSWER)].tolist()


def _generated(explainer: Explainer) -> list[int]:
    """Return what transformers generates by the checkpoint's own config, before a stop token."""
    family = explainer.family
    inputs = family.compose([tiny.image()], "describe the image.")
    kinds = torch.zeros(1, len(inputs.ids), dtype=torch.long)
    kinds[:, list(inputs.visual)] = 1
    told = {"mm_token_type_ids": kinds} if "Qwen" in family.label else {}
    told |= {"token_type_ids": kinds} if family.label == "Gemma 3" else {}
    out = family.model.generate(
        input_ids=torch.tensor([inputs.ids]),
        **inputs.tensors,
        **told,
        max_new_tokens=TOKENS,
        do_sample=False,
    )
    ids = out[0, len(inputs.ids) :].tolist()
    stop = next((i for i, token in enumerate(ids) if token in family.stop_ids), len(ids))
    return ids[:stop]


def test_greedy_answers_equal_those_of_generate(source, tmp_path):
    folder, options = source
    explainer = _load(_with_penalty(folder, tmp_path / "model", PENALTIES[0]), options)
    plain = _answer(_record(explainer, repetition_penalty=1))
    changed = 0
    for penalty in PENALTIES:
        explainer.family.model.generation_config.repetition_penalty = penalty
        run = _record(explainer)
        said = next(
            (i for i, t in enumerate(_answer(run)) if t == explainer.family.image_token_id), TOKENS
        )  # generate() itself fails after a token that stands for a picture
        assert _answer(run)[:said] == _generated(explainer)[:said]
        assert run.settings["repetition_penalty"] == penalty
        changed += _answer(run) != plain
    assert changed  # otherwise this shows nothing


@pytest.fixture(scope="module")
def penalised(qwen_folder, tmp_path_factory) -> Path:
    """A checkpoint whose own penalty changes its answer."""
    return _with_penalty(qwen_folder, tmp_path_factory.mktemp("own") / "model", 1.5)


def test_a_penalty_that_is_asked_for_wins(penalised, qwen):
    explainer = load(penalised, device="cpu")
    own, none, other = (_record(explainer, repetition_penalty=p) for p in (None, 1, 1.5))
    assert _answer(own) == _answer(other) != _answer(none) == _answer(_record(qwen))
    assert [r.settings["repetition_penalty"] for r in (own, none, other)] == [1.5, 1, 1.5]
    assert _answer(_record(qwen, repetition_penalty=1.5)) == _answer(own)


def test_check_compares_with_the_checkpoints_own_config(penalised, monkeypatch):
    explainer = load(penalised, device="cpu")
    assert [f.name for f in run_checks(explainer, {}) if f.verdict == FAIL] == []
    monkeypatch.setattr(type(explainer.family), "repetition_penalty", 1.0)
    assert [f.name for f in run_checks(explainer, {}) if f.verdict == FAIL] == [GREEDY]


def test_every_family_with_a_penalty_passes_the_check(source, tmp_path):
    folder, options = source
    penalised = _with_penalty(folder, tmp_path / "model", 1.5)
    found = run_checks(load(penalised, device="cpu", dtype="bfloat16", **options), {})
    assert [(f.name, f.measured) for f in found if f.verdict == FAIL] == []


def test_probabilities_are_those_of_the_model_without_the_penalty(penalised):
    explainer = load(penalised, device="cpu")
    run = _record(explainer)
    logits, _ = _reference(explainer, run)
    at = run.indices(ANSWER)
    rows = logits.softmax(-1)[run.tokens.positions[at] - 1].numpy()
    said = rows[range(len(at)), run.tokens.ids[at]]
    assert run.probs[at] == pytest.approx(said, rel=1e-3)
    assert (rows.argmax(-1) != run.tokens.ids[at]).any()  # the penalty passed it over


def test_the_penalty_comes_before_the_temperature():
    """With numbers: 2 was seen and falls to 1 (of 1.5), -1 was seen and falls to -2."""
    logits = torch.tensor([2.0, 1.5, -1.0])
    pick = Picker(Decoding(1, 0.0, 0, 2.0), torch.device("cpu"), [0, 2, 0])
    assert penalise(logits, {0, 2}, 2.0).tolist() == [1.0, 1.5, -2.0]
    assert [pick(logits), pick(logits)] == [1, 0]  # 1 is seen now and falls to 0.75
    assert logits.tolist() == [2.0, 1.5, -1.0]
    warm = Picker(Decoding(1, 1.0, 3, 2.0), torch.device("cpu"), [0, 2])
    drawn = [warm(torch.tensor([0.0, 0.0, 90.0])) for _ in range(20)]
    assert drawn == [2] * 20  # 45 against 0: a penalty of probabilities would not do that


@pytest.mark.parametrize("bad", [0, -1, 0.01, 11, True, "1.05", float("nan"), float("inf")])
def test_impossible_penalties_are_refused(qwen, qwen_folder, tmp_path, bad):
    with pytest.raises(PromptError, match=r"repetition_penalty must lie in 0\.1\.\.10"):
        qwen.record(tiny.image(), "a", repetition_penalty=bad)
    with pytest.raises(ModelError, match="has the repetition_penalty"):
        load(_with_penalty(qwen_folder, tmp_path / "model", bad), device="cpu")


def test_figures_say_the_penalty(penalised, qwen):
    assert "greedy, repetition penalty 1.5, at most" in describe_run(
        _record(load(penalised, device="cpu"))
    )
    assert "penalty" not in describe_run(_record(qwen))


def test_the_model_of_the_page_says_its_own_penalty(penalised):
    explainer = load(penalised, device="cpu")
    assert collect_facts(explainer)["repetition_penalty"] == 1.5
    menu = ModelMenu(Models.of_one(explainer))
    assert "Its own repetition penalty: 1.5." in menu.value()["details"]


def test_a_link_names_a_penalty_that_is_not_the_models_own(penalised):
    explainer, store = load(penalised, device="cpu"), RunStore()
    links = Links(Models.of_one(explainer), store)
    for penalty, told in ((None, None), (1.5, None), (1, "1"), (1.05, "1.05")):
        store.put("a" * 32, _record(explainer, repetition_penalty=penalty))
        query = links.parameters({"run": "a" * 32})["query"]
        assert query.get("penalty") == told
        read = links.parse(query, Doubts())
        assert read.decoding.repetition_penalty == (told and float(told))
