"""Fixtures shared by all tests: tiny random checkpoints, and explainers made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from tests import tiny, tiny_gemma, tiny_hybrid, tiny_tiles


@pytest.fixture(scope="session")
def qwen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen2-VL in the hub's layout."""
    return tiny.qwen2_vl(tmp_path_factory.mktemp("models") / "tiny-qwen2-vl")


@pytest.fixture(scope="session")
def qwen(qwen_folder: Path) -> Explainer:
    return load(qwen_folder, device="cpu")


# Each family in the registry, and how it is loaded.
FAMILIES = {
    "qwen2_vl": (tiny.qwen2_vl, {}),
    "qwen2_5_vl": (tiny.qwen2_5_vl, {}),
    "qwen3_vl": (tiny.qwen3_vl, {}),
    "qwen3_5": (tiny_hybrid.qwen3_5, {}),
    "lfm2_vl": (tiny_hybrid.lfm2_vl, {}),
    "llava": (tiny_tiles.llava, {}),
    "internvl": (tiny_tiles.internvl, {}),
    "internvl3_5": (tiny_tiles.internvl3_5, {}),
    "internvl_tiles": (tiny_tiles.internvl, {"tiles": 6}),
    "smolvlm": (tiny_tiles.smolvlm, {}),
    "gemma3": (tiny_gemma.gemma3, {}),
    "gemma4": (tiny_gemma.gemma4, {}),
    "llava_next": (tiny_tiles.llava_next, {}),
}
HYBRID = ("qwen3_5", "lfm2_vl")  # some of their layers have no attention


@pytest.fixture(scope="session")
def family_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny random checkpoint of each family, by its name in `FAMILIES`."""
    place = tmp_path_factory.mktemp("families")
    return {name: make(place / name) for name, (make, _) in FAMILIES.items()}


@pytest.fixture(scope="session", params=FAMILIES)
def any_family(request: pytest.FixtureRequest, family_folders: dict[str, Path]) -> Explainer:
    """A tiny model of each family."""
    options = FAMILIES[request.param][1]
    return load(family_folders[request.param], device="cpu", dtype="float32", **options)


@pytest.fixture(
    scope="session",
    params=[(name, dtype) for name in FAMILIES for dtype in ("float32", "bfloat16")],
    ids="-".join,
)
def any_model(request: pytest.FixtureRequest, family_folders: dict[str, Path]) -> Explainer:
    """A tiny model of each family in each dtype."""
    name, dtype = request.param
    return load(family_folders[name], device="cpu", dtype=dtype, **FAMILIES[name][1])


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    torch.set_num_threads(1)
