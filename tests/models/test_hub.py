"""Hub ids, against a hub that runs here: fetched with progress, and refused in clear words."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import WeakFileLock

import explainer
from explainer.errors import LoadCancelled, ModelError
from explainer.models.loading import hub
from explainer.models.loading.options import DOWNLOADING, LOOKING_UP, WEIGHTS, LoadStep
from tests.models import hub_server

NAME = "someone/tiny-vl"


@pytest.fixture
def server(tmp_path, monkeypatch, qwen_folder):
    """A hub that holds the tiny checkpoint, and an empty cache."""
    with hub_server.connected(tmp_path / "cache", monkeypatch) as running:
        running.repos[NAME] = Path(shutil.copytree(qwen_folder, tmp_path / "repo"))
        yield running


@pytest.fixture
def unreachable(tmp_path, monkeypatch):
    """A hub address at which nothing listens, and an empty cache."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _refusal(name: str = NAME, **options) -> str:
    with pytest.raises(ModelError) as told:
        explainer.load(name, device="cpu", **options)
    assert "\n" not in str(told.value)
    return str(told.value)


# Fetching ----------------------------------------------------------------------------------------


def test_a_hub_id_is_fetched_told_in_bytes_and_is_the_same_model(server, qwen, tmp_path):
    steps: list[LoadStep] = []
    loaded = explainer.load(NAME, device="cpu", on_progress=steps.append)
    assert loaded.model_id == NAME
    assert loaded.nbytes == qwen.nbytes
    stages = [s.stage for s in steps]
    assert stages[0] == LOOKING_UP
    assert list(dict.fromkeys(stages)) == [LOOKING_UP, DOWNLOADING, WEIGHTS]
    size = (server.repos[NAME] / "model.safetensors").stat().st_size
    fetched = [s for s in steps if s.stage == DOWNLOADING]
    assert fetched[-1] == LoadStep(DOWNLOADING, size, size)
    assert all(0 <= s.done <= s.total for s in steps)
    weights = [s for s in steps if s.stage == WEIGHTS]
    assert weights[0].done == 0
    assert weights[-1].done == weights[-1].total > 0


def test_what_was_fetched_once_is_not_fetched_again_and_works_offline(server, monkeypatch):
    first = explainer.load(NAME, device="cpu")
    server.asked.clear()
    explainer.load(NAME, device="cpu")
    assert not [path for path in server.asked if "/resolve/" in path]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    server.asked.clear()
    assert explainer.load(NAME, device="cpu").nbytes == first.nbytes
    assert not server.asked
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert explainer.load(NAME, device="cpu").model_id == NAME


def test_only_what_is_read_is_fetched(server):
    folder = server.repos[NAME]
    (folder / "modeling_evil.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "consolidated.safetensors").write_bytes(b"the same weights again")
    (folder / "README.md").write_text("A card.")
    listing = hub.look_up(NAME, None)
    assert listing.weights == ["model.safetensors"]
    got = hub.fetch(listing, [*listing.words, *listing.weights], lambda step: None)
    here = {p.name for p in got.iterdir()}
    assert {"config.json", "tokenizer.json", "model.safetensors", "README.md"} <= here
    assert not here & {"modeling_evil.py", "pytorch_model.bin", "consolidated.safetensors"}


def test_a_model_that_is_not_supported_is_refused_before_its_weights_are_fetched(server):
    (server.repos[NAME] / "config.json").write_text('{"model_type": "llama", "vocab_size": 9}')
    assert "text-only model (type 'llama')" in _refusal()
    assert not [path for path in server.asked if path.endswith("model.safetensors")]


def test_a_model_that_does_not_fit_is_refused_before_its_weights_are_fetched(server, monkeypatch):
    monkeypatch.setattr("explainer.models.loading.fit.free_memory", lambda device: 1000)
    assert "does not fit" in _refusal()
    assert not [path for path in server.asked if path.endswith("model.safetensors")]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_can_be_stopped_and_goes_on_where_it_was(server, monkeypatch, ranges):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    weights = server.repos[NAME] / "model.safetensors"
    size = weights.stat().st_size
    server.hold, server.ranges = size // 2, ranges

    def stop(step: LoadStep) -> None:
        if step.total == size and step.done >= size // 2 - 10_000:
            raise LoadCancelled("stopped")

    with pytest.raises(LoadCancelled):
        explainer.load(NAME, device="cpu", on_progress=stop)
    server.hold = None
    server.go.set()
    (file,) = hub.look_up(NAME, None).large([weights.name])
    with WeakFileLock(file.lock):  # the thread of the download that was stopped has ended
        held = file.held()
    assert size // 2 - 10_000 <= held < size
    assert hub.cached(NAME)
    assert not hub.is_downloaded(NAME), "the weights are not whole"
    steps: list[LoadStep] = []
    assert explainer.load(NAME, device="cpu", on_progress=steps.append).model_id == NAME
    sent = [(start, length) for name, start, length in server.sent if name == weights.name]
    assert sent == [(0, size), (held, size - held) if ranges else (0, size)]
    fetched = [s for s in steps if s.stage == DOWNLOADING and s.total == size]
    assert fetched[0] == LoadStep(DOWNLOADING, held, size)
    assert fetched[-1] == LoadStep(DOWNLOADING, size, size)
    assert file.path.read_bytes() == weights.read_bytes()
    assert not file.part.exists()
    assert hub.is_downloaded(NAME)


def test_a_part_that_is_damaged_is_said_and_not_kept(server):
    (file,) = hub.look_up(NAME, None).large(["model.safetensors"])
    file.part.parent.mkdir(parents=True)
    file.part.write_bytes(b"not what the hub sent")
    assert "arrived damaged; load it again" in _refusal()
    assert explainer.load(NAME, device="cpu").model_id == NAME


# Refusals ----------------------------------------------------------------------------------------


def test_an_id_that_is_not_there_is_said(server):
    said = _refusal("someone/no-such-model")
    assert "the hub has no model someone/no-such-model" in said
    assert "hf auth login" in said


def test_a_gated_id_says_where_to_accept_its_terms(server):
    server.refused[NAME] = (403, "GatedRepo")
    said = _refusal()
    assert "gated" in said
    assert f"{server.address}/{NAME}" in said
    assert "hf auth login" in said


def test_a_gate_that_closes_at_the_files_is_said_the_same(server, monkeypatch):
    listing = hub.look_up(NAME, None)
    server.refused[NAME] = (403, "GatedRepo")
    with pytest.raises(ModelError, match="gated"):
        hub.fetch(listing, listing.weights, lambda step: None)


def test_a_revision_that_is_not_there_is_said(server):
    assert "has no revision 'v9'" in _refusal(revision="v9")
    assert explainer.load(NAME, device="cpu", revision="main").family.revision == "main"


def test_a_token_that_may_not_is_said(server):
    server.refused[NAME] = (403, "")
    assert "HF_TOKEN" in _refusal()


def test_a_hub_that_is_ill_is_said(server):
    server.refused[NAME] = (500, "")
    assert "error 500" in _refusal()


def test_pickle_only_is_refused_before_it_is_fetched(server):
    (server.repos[NAME] / "model.safetensors").rename(server.repos[NAME] / "pytorch_model.bin")
    assert "never read here" in _refusal()
    assert not [path for path in server.asked if path.endswith(".bin")]


def test_a_repository_without_a_model_is_said(server, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "README.md").write_text("a data set")
    server.repos["someone/data"] = empty
    assert "no config.json" in _refusal("someone/data")


def test_a_machine_without_network_hears_so_at_once(unreachable):
    start = time.monotonic()
    said = _refusal("Qwen/Qwen2-VL-2B-Instruct")
    assert time.monotonic() - start < 10  # not a speed: five repetitions would take 23 seconds
    assert "cannot be downloaded" in said
    assert "the bundled one" in said


def test_offline_mode_never_asks(server, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    said = _refusal()
    assert "HF_HUB_OFFLINE is set" in said
    assert not server.asked


@pytest.mark.parametrize("name", ["what is/this?", "a--b/c..d"])
def test_what_can_be_no_id_is_said(unreachable, name):
    assert _refusal(name)


def test_what_a_visitor_names_is_no_folder_needs_no_token_and_leaves_room(
    server, monkeypatch, tmp_path, qwen_folder
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_owner")
    shutil.copytree(qwen_folder, tmp_path / "own" / "secret")
    assert "no model own/secret" in _refusal("own/secret", for_visitor=True)
    assert explainer.load("own/secret", device="cpu").model_id == "secret"
    monkeypatch.setattr(hub, "RESERVE", 1.0)
    assert "no room" in _refusal(for_visitor=True)
    assert not list((tmp_path / "cache").rglob("config.json"))
    monkeypatch.setattr(hub, "RESERVE", 0.0)
    server.tokens.clear()
    assert explainer.load(NAME, device="cpu", for_visitor=True).model_id == NAME
    assert set(server.tokens) == {None}
