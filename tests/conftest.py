"""Fixtures shared by all tests: tiny random checkpoints, and explainers made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explainer.record import Explainer, load
from tests import tiny


@pytest.fixture(scope="session")
def qwen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen2-VL in the hub's layout."""
    return tiny.qwen2_vl(tmp_path_factory.mktemp("models") / "tiny-qwen2-vl")


@pytest.fixture(scope="session")
def qwen(qwen_folder: Path) -> Explainer:
    return load(qwen_folder, device="cpu")


@pytest.fixture(scope="session", params=["float32", "bfloat16"])
def any_dtype(request: pytest.FixtureRequest, qwen_folder: Path) -> Explainer:
    """The tiny model, once in each dtype."""
    return load(qwen_folder, device="cpu", dtype=request.param)


@pytest.fixture(scope="session", params=["qwen2_vl", "qwen2_5_vl"])
def any_family(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Explainer:
    """A tiny model of each family in the registry."""
    make = getattr(tiny, request.param)
    return load(make(tmp_path_factory.mktemp("models") / request.param), device="cpu")


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    torch.set_num_threads(1)
