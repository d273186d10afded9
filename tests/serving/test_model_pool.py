"""Which model serves: loading, taking turns, failing, cancelling, and who is told what."""

from __future__ import annotations

import threading
import time

import pytest

from explainer.errors import LoadCancelled, ModelError
from explainer.models.loading.catalogue import BUNDLED, Entry
from explainer.models.loading.options import WEIGHTS, LoadStep
from explainer.serving.model_pool import Models
from explainer.serving.rules import Rules

SMALL = [Entry("small-a", kind=BUNDLED), Entry("small-b", kind=BUNDLED)]
LARGE = [Entry("org/one"), Entry("org/two")]


class Model:
    """Stands for an explainer: knows its name, its size and whether it was closed."""

    nbytes = 100

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Shop:
    """A loader that can be slow or fail, and remembers what it has made."""

    def __init__(self) -> None:
        self.made: list[Model] = []
        self.fails: dict[str, Exception] = {}
        self.late: dict[str, Exception] = {}
        self.go = threading.Event()
        self.go.set()
        self.reclaimable: list[int] = []

    def __call__(self, entry, on_progress=lambda step: None, reclaimable=0):
        self.reclaimable.append(reclaimable)
        on_progress(LoadStep("downloading", 1, 4))
        if entry.id in self.fails:
            raise self.fails[entry.id]
        on_progress(LoadStep(WEIGHTS, 0, 100))
        while not self.go.wait(0.01):
            on_progress(LoadStep(WEIGHTS, 50, 100))
        on_progress(LoadStep(WEIGHTS, 100, 100))
        if entry.id in self.late:
            raise self.late[entry.id]
        self.made.append(Model(entry.id))
        return self.made[-1]

    def alive(self) -> list[str]:
        return [m.model_id for m in self.made if not m.closed]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def free() -> list[int]:
    """The free memory, to be changed by a test."""
    return [10**9]


@pytest.fixture
def models(shop, free) -> Models:
    models = Models([*SMALL, *LARGE], shop, free=lambda: free[0])
    models.start()
    return models


def finish(steps) -> list:
    return list(steps)


def run_like(model_id: str):
    return type("R", (), {"model_id": model_id})()


def test_bundled_models_come_when_wanted_and_stay(models, shop):
    assert shop.alive() == ["small-a"]
    with models.use("small-b") as entry:
        assert models.loaded(entry.id).model_id == "small-b"
    with models.use("small-a"):
        pass
    assert shop.alive() == ["small-a", "small-b"]
    assert models.current().id == "small-a"


def test_a_large_model_takes_the_place_of_the_one_before(models, shop):
    seen = finish(models.load("org/one"))
    assert seen[0].name == "org/one"
    assert seen[0].ticket
    finish(models.load("org/two"))
    assert shop.alive() == ["small-a", "org/two"]
    with (
        pytest.raises(ModelError, match="not loaded; choose it in the menu"),
        models.use("org/one"),
    ):
        pass
    assert shop.reclaimable[-1] == 100


def test_the_old_model_serves_until_the_new_one_is_there(models, shop):
    finish(models.load("org/one"))
    shop.go.clear()
    loading = models.load("org/two")
    next(loading)
    with models.use("org/one"):
        assert shop.alive() == ["small-a", "org/one"]
    with pytest.raises(ModelError, match="still being loaded"), models.use("org/two"):
        pass
    shop.go.set()
    finish(loading)
    assert shop.alive() == ["small-a", "org/two"]


def test_an_answer_under_way_is_finished_before_its_model_goes(models, shop):
    finish(models.load("org/one"))
    with models.use("org/one") as entry:
        finish(models.load("org/two"))
        assert shop.alive() == ["small-a", "org/one", "org/two"]
        assert models.loaded(entry.id).model_id == "org/one", "the worker still finds it"
    assert shop.alive() == ["small-a", "org/two"]
    assert models.loaded("org/one") is None


def test_without_memory_for_both_the_old_one_waits_for_its_answers_and_goes_first(
    models, shop, free
):
    finish(models.load("org/one"))
    free[0] = 10
    answer = models.use("org/one")
    answer.__enter__()
    loading = models.load("org/two")
    until(lambda: "waiting for org/one to finish" in next(loading).stage)
    with pytest.raises(ModelError, match="being replaced by org/two"), models.use("org/one"):
        pass
    assert shop.alive() == ["small-a", "org/one"]
    answer.__exit__(None, None, None)
    finish(loading)
    assert shop.alive() == ["small-a", "org/two"]


def until(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("memory", [10**9, 10])
@pytest.mark.parametrize("when", ["fails", "late"])
def test_the_old_model_works_after_any_failure(models, shop, free, memory, when):
    finish(models.load("org/one"))
    free[0] = memory
    getattr(shop, when)["org/two"] = ModelError("org/two is gated; ask for access")
    with pytest.raises(ModelError, match="gated"):
        finish(models.load("org/two"))
    with models.use("org/one") as entry:
        assert not models.loaded(entry.id).closed
    assert shop.alive() == ["small-a", "org/one"]
    assert models.current().id == "small-a"


def test_a_failure_that_is_a_defect_is_not_shown(models, shop):
    shop.fails["org/one"] = KeyError("secret path")
    with pytest.raises(ModelError) as error:
        finish(models.load("org/one"))
    assert "secret" not in str(error.value)


def test_it_is_said_if_the_old_model_cannot_come_back(models, shop, free):
    finish(models.load("org/one"))
    free[0] = 10
    shop.late["org/two"] = ModelError("the weights are damaged")
    shop.late["org/one"] = ModelError("gone")
    with pytest.raises(ModelError, match=r"damaged; and org/one, .* could not be loaded"):
        finish(models.load("org/two"))
    with models.use("small-a"):
        pass


@pytest.mark.parametrize("memory", [10**9, 10])
def test_a_load_can_be_cancelled_by_its_owner_only(models, shop, free, memory):
    finish(models.load("org/one"))
    free[0] = memory
    shop.go.clear()
    loading = models.load("org/two")
    ticket = next(loading).ticket
    joined = models.load("org/two")
    assert next(joined).ticket == ""
    for junk in ("", "0" * 16, "\u00e9\ud800", None, 3, ["x"]):
        models.cancel(junk)
    until(lambda: next(loading).stage == WEIGHTS)
    models.cancel(ticket)
    shop.go.set()
    for watcher in (loading, joined):
        with pytest.raises(LoadCancelled):
            finish(watcher)
    with models.use("org/one"):
        assert shop.alive() == ["small-a", "org/one"]


def test_two_large_models_are_not_loaded_at_once(models, shop):
    shop.go.clear()
    loading = models.load("org/one")
    next(loading)
    with pytest.raises(ModelError, match="somebody is loading org/one"):
        finish(models.load("org/two"))
    shop.go.set()
    finish(loading)
    assert shop.alive() == ["small-a", "org/one"]


def test_a_bundled_model_can_be_had_while_a_large_one_is_loaded(models, shop):
    shop.go.clear()
    loading = models.load("org/one")
    next(loading)
    shop.go.set()
    with models.use("small-b"):
        pass
    finish(loading)
    assert shop.alive() == ["small-a", "org/one", "small-b"] or len(shop.alive()) == 3


def test_only_what_is_offered_can_be_named(models):
    for name in ("org/three", "/etc", "../x", 3, ["org/one"], {"a": 1}, "x" * 10_000):
        with pytest.raises(ModelError, match="not one of the models"):
            models.entry(name)


def test_a_failed_load_tells_visitors_no_folder(shop, tmp_path):
    folder = tmp_path / "my models" / "one"
    shop.fails["one"] = ModelError(f"{folder} is not complete; /srv/hub/models--a/config.json too")
    models = Models([SMALL[0], Entry("one", folder=folder)], shop)
    models.start()
    with pytest.raises(ModelError) as told:
        finish(models.load("one"))
    assert str(told.value) == "one is not complete; config.json too"


def test_any_model_only_if_the_owner_says_so(shop):
    models = Models(SMALL, shop, Rules(any_model=True))
    models.start()
    finish(models.load(" org/three "))
    assert models.entries[-1].id == "org/three"
    for name in ("x" * 301, "a/" + "b" * 100, "a\nb", "   ", "/etc", "org/../x", "org"):
        with pytest.raises(ModelError, match="not one of the models"):
            models.entry(name)


def test_where_nothing_can_be_loaded_later_all_come_at_the_start(shop):
    models = Models([*SMALL, LARGE[0]], shop, Rules(at_start_only=True))
    models.start()
    assert shop.alive() == ["small-a", "small-b", "org/one"]
    with models.use("org/one"):
        pass
    with pytest.raises(ModelError, match="in the menu"):
        finish(models.load("org/two"))


def test_a_run_finds_the_model_that_made_it(models, shop):
    finish(models.load("org/one"))
    assert models.maker_of(run_like("org/one")) == "org/one"
    assert models.maker_of(run_like("small-b")) == "small-b"
    finish(models.load("org/two"))
    with pytest.raises(ModelError, match="org/one, which is not loaded any more"):
        models.maker_of(run_like("org/one"))


def test_free_memory_counts_what_the_old_model_gives_back(models, free):
    finish(models.load("org/one"))
    assert models.free_after(LARGE[1]) == free[0] + 100
    assert models.free_after(SMALL[0]) == free[0]


def test_a_model_is_loaded_again_after_it_left(models, shop):
    for name in ("org/one", "org/two", "org/one"):
        finish(models.load(name))
    with models.use("org/one"):
        assert shop.alive() == ["small-a", "org/one"]


def test_questions_wait_for_the_model_that_the_server_starts_with(shop):
    models = Models([LARGE[0], *SMALL], shop)
    models.expect_start()
    assert models.current().id == models.loading_at_start().name == "org/one"
    shop.go.clear()
    starting = threading.Thread(target=models.start)
    starting.start()
    progress = models.watch_start("org/one")
    assert next(progress).name == "org/one"
    shop.go.set()
    finish(progress)
    starting.join()
    with models.use("org/one"):
        assert models.loading_at_start() is None
    assert finish(models.watch_start("org/one")) == []


def test_a_start_that_fails_is_said_to_those_who_wait(shop):
    shop.fails["org/one"] = ModelError("it is damaged")
    models = Models([LARGE[0]], shop)
    models.expect_start()
    progress = models.watch_start("org/one")
    next(progress)
    with pytest.raises(ModelError, match="damaged"):
        models.start()
    with pytest.raises(ModelError, match="damaged"):
        finish(progress)
