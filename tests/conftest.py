"""How the tests are shared by processes; the fixtures shared by all are in `tests.shared_models`.

The process that only tells others what to test imports neither these nor torch.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys

import pytest

from tests.apart import forked_python, start_fork_server


@pytest.hookimpl(optionalhook=True)  # package_ages installs no xdist
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers of `-n auto`: one more than the cores that may be used, at
    most eight.

    Tests in a browser wait for some of their time, for a page or for the browser. Each worker
    holds torch, models, a page and a browser of its own: more of them would make those more often
    than they would use the time.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(8, cores + 1)


def pytest_configure(config: pytest.Config) -> None:
    """Fork the workers from a process that has imported everything, and keep their ports apart."""
    checks = os.environ.pop("SIGHTLINE_CHECKS", None)
    if getattr(config.option, "tx", None):
        start_fork_server(config.args)
        _wait_for(checks)
        command = shlex.join(forked_python())
        config.option.tx = [f"popen//python={command}" for _ in config.option.tx]
        return
    _wait_for(checks)
    config.pluginmanager.import_plugin("tests.shared_models")
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("torch") and isinstance(logger, logging.Logger):
            logger.propagate = True  # or pytest adds its handlers to each, six times a test
    if hasattr(config, "workerinput"):
        from gradio import http_server  # package_ages may install no gradio, and no xdist then

        number = int(config.workerinput["workerid"].removeprefix("gw"))
        port = str(7860 + 100 * number)  # the first where it looks for free ones
        os.environ.setdefault("GRADIO_SERVER_PORT", port)
        http_server.INITIAL_PORT_VALUE = int(os.environ["GRADIO_SERVER_PORT"])


def _wait_for(checks: str | None) -> None:
    """Wait for the checks that `tests/run` runs beside this process; end if they do not pass.

    `checks` is the number of an open file that says so.
    """
    if checks is None:
        return
    with open(int(checks)) as told:
        if told.read().strip() != "passed":
            pytest.exit("no test was run, because a check did not pass", returncode=1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run slow tests first where workers share the tests: none waits for one at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse parameters in a set: their order, and so that of the tests, differs by process."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        if any(isinstance(a, set | frozenset) for a in (*mark.args, *mark.kwargs.values())):
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: sort the parameters")
