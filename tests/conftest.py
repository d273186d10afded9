"""Fixtures shared by all tests: tiny random checkpoints, and explainers made from them."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest
import torch
from gradio import http_server

from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from tests import tiny, tiny_hybrid
from tests.apart import forked_python, start_fork_server


@pytest.hookimpl(optionalhook=True)  # package_ages installs no xdist
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers of `-n auto`: two more than the cores that may be used, at
    most eight.

    Tests in a browser wait for half their time, for a page or for the browser. More workers would
    need memory before they need cores: each holds torch, a page and a browser.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(8, cores + 2)


def pytest_configure(config: pytest.Config) -> None:
    """Fork the workers from a process that has imported everything, and keep their ports apart."""
    worker = getattr(config, "workerinput", {}).get("workerid")  # "gw0", "gw1", ...
    if worker is not None:
        port = 7860 + 100 * int(worker.removeprefix("gw"))  # where it looks for free ones
        os.environ.setdefault("GRADIO_SERVER_PORT", str(port))
        http_server.INITIAL_PORT_VALUE = int(os.environ["GRADIO_SERVER_PORT"])
    elif getattr(config.option, "tx", None):
        start_fork_server(config.args)
        command = shlex.join(forked_python())
        config.option.tx = [f"popen//python={command}" for _ in config.option.tx]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run slow tests first where workers share the tests: none waits for one at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse parameters in a set: their order, and so that of the tests, differs by process."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        if any(isinstance(a, set | frozenset) for a in (*mark.args, *mark.kwargs.values())):
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: sort the parameters")


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
    "llava": (tiny.llava, {}),
    "internvl": (tiny.internvl, {}),
    "internvl3_5": (tiny.internvl3_5, {}),
    "internvl_tiles": (tiny.internvl, {"tiles": 6}),
    "smolvlm": (tiny.smolvlm, {}),
    "gemma3": (tiny.gemma3, {}),
    "gemma4": (tiny.gemma4, {}),
    "llava_next": (tiny.llava_next, {}),
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
