"""The pool of loaded models: who uses them, and how one replaces another.

Bundled models are tiny: each is loaded when first needed and then stays loaded. Of all others
("large" ones) the server holds one at a time. A new one is loaded while the old one still answers
if memory allows; otherwise the old one is closed first, and loaded again if the new one fails.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, Event, Thread
from typing import Any

from explainer.errors import ModelError, SightlineError
from explainer.models.loading.catalogue import BUNDLED, Entry, make_visitor_entry
from explainer.models.loading.memory import with_room
from explainer.models.loading.options import WEIGHTS, LoadStep
from explainer.run import Run
from explainer.serving.facts import collect_facts
from explainer.serving.held_model import HeldModel, close_model
from explainer.serving.jobs import Job
from explainer.serving.load_task import TICK, LoadProgress, LoadTask, remove_folders
from explainer.serving.loaded import Loaded
from explainer.serving.recorder_client import RecorderClient
from explainer.serving.rules import Rules

log = logging.getLogger(__name__)

WAITING = "waiting for {name} to finish an answer"
RETURNING = "loading {name} again"
PATIENCE = 120.0  # seconds that a new model waits for running answers


Loader = Callable[..., Loaded]  # (entry, on_progress=..., reclaimable=...) -> explainer


class Models:
    """The models of one server. Thread-safe.

    Attributes:
        replicas: of a recorder that runs the jobs; 0 where models are in this process.

    Args:
        entries: the models to choose from; `start` loads the first one, which is the default.
        load: loads the explainer of an entry; takes `on_progress` and `reclaimable` like
            `explainer.load`.
        rules: what visitors may do.
        free: returns the free bytes of the device, or None if not known.
    """

    replicas = 0

    def __init__(
        self,
        entries: Sequence[Entry],
        load: Loader,
        rules: Rules | None = None,
        free: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.rules = rules or Rules()
        self.default = entries[0].id
        self._entries = {e.id: e for e in entries}
        self._load, self._free = load, free
        self._slots: dict[str, HeldModel] = {}
        self._retired: dict[str, HeldModel] = {}
        self._tasks: dict[str, LoadTask] = {}
        self._change = Condition()

    @classmethod
    def of_one(cls, explainer: Loaded) -> Models:
        """Return a pool of one model that is already loaded."""
        entry = Entry(explainer.model_id, kind=BUNDLED)
        models = cls([entry], lambda entry, **_: explainer, Rules(at_start_only=True))
        models._slots[entry.id] = HeldModel(entry, explainer)
        return models

    def expect_start(self) -> None:
        """Say that `start` is still to come, so that questions wait for it."""
        self._tasks[self.default] = LoadTask(self._entries[self.default], at_start=True)

    def start(self) -> None:
        """Load the default model, and all models if none can be loaded later."""
        for entry in list(self._entries.values()):
            if entry.id == self.default or self.rules.at_start_only:
                self._load_at_start(entry)

    def _load_at_start(self, entry: Entry) -> None:
        task = self._tasks.setdefault(entry.id, LoadTask(entry, at_start=True))
        try:
            explainer = self._load(
                entry, on_progress=lambda at: task.update(at.stage, at.done, at.total)
            )
            self._slots[entry.id] = HeldModel(entry, explainer)
        except Exception as error:
            task.error = error
            raise
        finally:
            del self._tasks[entry.id]
            task.ended.set()

    # Queries -------------------------------------------------------------------------------------

    @property
    def entries(self) -> list[Entry]:
        return list(self._entries.values())

    def entry(self, model: Any) -> Entry:
        """Return the entry of a model id; "" or None is the current one.

        Raises `ModelError` for a model that is not offered.
        """
        if model is None or model == "":
            return self.current()
        if isinstance(model, str):
            name = model.strip()
            if name in self._entries:
                return self._entries[name]
            if self.rules.any_model and (entry := make_visitor_entry(name)):
                return entry
        raise ModelError(
            f"{str(model)[:80]!r} is not one of the models offered here; {self._suggest_model()}"
        )

    def current(self) -> Entry:
        """Return the model that a new page selects.

        That is the default one if it is loaded or the server is starting with it, else another.
        """
        if self.default in self._slots or self.loading_at_start():
            return self._entries[self.default]
        large = [
            h.entry for h in list(self._slots.values()) if not h.entry.bundled and not h.leaving
        ]
        bundled = [entry for entry in self.entries if entry.bundled]
        return next(iter([*large, *bundled, *self.entries]))

    def ready(self, model: str) -> bool:
        """Return whether a model is loaded, or is bundled and loads at once."""
        slot, entry = self._slots.get(model), self._entries.get(model)
        return bool(slot and not slot.leaving) or bool(entry and entry.bundled)

    def loaded(self, model: str) -> Loaded | RecorderClient | None:
        """Return the explainer of a loaded model, or None.

        Takes no lock, because in a forked worker a lock could stay taken for ever.
        """
        slot = self._slots.get(model) or self._retired.get(model)
        return slot.explainer if slot else None

    def facts(self, model: str) -> dict[str, Any]:
        """Return `collect_facts` of a loaded model, or {}."""
        return collect_facts(self.loaded(model))

    def loading(self) -> list[LoadProgress]:
        """Return the progress of the loads under way, without their tickets."""
        return [task.progress("") for task in list(self._tasks.values())]

    def loading_at_start(self, model: str = "") -> LoadProgress | None:
        """Return the progress of a model that the server starts with; None if it is loaded.

        `model` is an id, "" for the default one.
        """
        task = self._tasks.get(model or self.default)
        return task.progress("") if task and task.at_start else None

    def watch_start(self, model: str) -> Iterator[LoadProgress]:
        """Yield the progress of a model that the server starts with until it is loaded."""
        task = self._tasks.get(model)
        if task and task.at_start:
            yield from task.watch("")

    def free_after(self, entry: Entry) -> int | None:
        """Return the bytes free for `entry` once the model that it replaces is closed."""
        free = self._free()
        if free is None or entry.bundled:
            return free
        return free + sum(h.nbytes for h in list(self._slots.values()) if not h.entry.bundled)

    # Use -----------------------------------------------------------------------------------------

    @contextmanager
    def use(self, model: Any) -> Iterator[Entry]:
        """Keep a model loaded within the context.

        Raises `ModelError` if it is not loaded.
        """
        entry = self.entry(model)
        if entry.bundled and not self.rules.at_start_only and entry.id not in self._slots:
            for _ in self.load(entry.id):
                pass
        with self._change:
            slot = self._slots.get(entry.id)
            if slot is None or slot.leaving:
                raise ModelError(self._explain_absence(entry))
            slot.users += 1
        try:
            yield slot.entry
        finally:
            self._release(slot)

    def run_job(self, job: Job) -> Iterator[Any]:
        """Yield the steps of a job by its model, which the caller keeps loaded."""
        explainer = self.loaded(job.model)
        if explainer is None or isinstance(explainer, RecorderClient):
            raise ModelError(self._explain_absence(self.entry(job.model)))
        yield from job.steps(explainer)

    def _release(self, slot: HeldModel) -> None:
        with self._change:
            slot.users -= 1
            over = slot.retired and not slot.users
            self._change.notify_all()
        if over:
            self._close(slot)

    def maker_of(self, run: Run) -> str:
        """Return the id of the model that recorded a run; raise `ModelError` if not loaded."""
        for slot in list(self._slots.values()):
            explainer = slot.explainer
            if explainer and explainer.model_id == run.model_id and not slot.leaving:
                return slot.entry.id
        for entry in self.entries:
            if entry.bundled and entry.id == run.model_id:
                return entry.id
        raise ModelError(
            f"this answer is by {run.model_id}, which is not loaded any more. What was recorded "
            "can be explained; for another scale, word or answer choose that model in the menu, or "
            "press Explain to use the current one"
        )

    def _explain_absence(self, entry: Entry) -> str:
        task = self._tasks.get(entry.id)
        if task:
            return (
                f"the model {entry.id} is still being loaded ({task.stage}); wait for it, or "
                "choose another"
            )
        replacing = [t for t in self._tasks.values() if t.freed == entry or not t.entry.bundled]
        slot = self._slots.get(entry.id)
        if slot and slot.leaving and replacing:
            return (
                f"the model {entry.id} is being replaced by {replacing[0].entry.id}, which "
                "somebody is loading; wait for that one or choose another"
            )
        return f"the model {entry.id} is not loaded; {self._suggest_model()}"

    def _suggest_model(self) -> str:
        if self.rules.at_start_only:
            return "choose one that is in the menu"
        return f"choose it in the menu, or another; {self.current().id} is ready"

    # Loading -------------------------------------------------------------------------------------

    def load(self, model: Any) -> Iterator[LoadProgress]:
        """Load a model, yielding the progress; return when it is ready.

        If the model is already being loaded, this watches that load.

        Raises:
            ModelError: it cannot be loaded. The model before it stays or is loaded again.
            LoadCancelled: `cancel` was called.
        """
        entry = self.entry(model)
        task, ticket = self._task(entry)
        if task is None:
            return
        yield from task.watch(ticket)

    def cancel(self, ticket: Any) -> None:
        """Cancel the load with this ticket at its next step; ignore unknown tickets."""
        if not isinstance(ticket, str) or not ticket.isascii():  # compare_digest takes ASCII only
            return
        for task in list(self._tasks.values()):
            if secrets.compare_digest(task.ticket, ticket):
                task.cancelled.set()

    def _task(self, entry: Entry) -> tuple[LoadTask | None, str]:
        """Return the load of an entry and its ticket, starting it if needed; None if loaded."""
        with self._change:
            slot = self._slots.get(entry.id)
            if slot and not slot.leaving:
                return None, ""
            if entry.id in self._tasks:
                return self._tasks[entry.id], ""
            if self.rules.at_start_only:
                raise ModelError(self._explain_absence(entry))
            others = [t for t in self._tasks.values() if not t.entry.bundled]
            if others and not entry.bundled:
                raise ModelError(
                    f"somebody is loading {others[0].entry.id} just now, and only one large "
                    "model is loaded at a time; try again when that is done"
                )
            task = self._tasks[entry.id] = LoadTask(entry)
        Thread(target=self._run, args=(task,), daemon=True).start()
        return task, task.ticket

    def _run(self, task: LoadTask) -> None:
        try:
            self._load_and_swap(task)
        except ModelError as error:
            task.error = ModelError(remove_folders(str(error), task.entry))
        except SightlineError as error:
            task.error = error
        except Exception as error:
            log.exception("loading failed", exc_info=error)
            task.error = ModelError(f"cannot load {task.entry.id}; the log of the server says why")
        if task.freed:
            self._restore(task, task.freed)
        with self._change:
            del self._tasks[task.entry.id]
            self._change.notify_all()
        task.ended.set()

    def _load_and_swap(self, task: LoadTask) -> None:
        """Load the model of a task, and retire the large model that it replaces."""

        def step(at: LoadStep) -> None:
            if task.cancelled.is_set():
                raise task.make_cancelled()
            if at.stage == WEIGHTS and not at.done and not task.entry.bundled:
                self._make_room(task, at.total)
            task.update(at.stage, at.done, at.total)

        old = self._find_large()
        reclaimable = old.nbytes if old and not task.entry.bundled else 0
        explainer = self._load(task.entry, on_progress=step, reclaimable=reclaimable)
        if task.cancelled.is_set():
            close_model(explainer)
            raise task.make_cancelled()
        with self._change:
            old = self._find_large()
            self._entries.setdefault(task.entry.id, task.entry)
            self._slots[task.entry.id] = HeldModel(task.entry, explainer)
            task.freed = None
        if old and not task.entry.bundled:
            self._retire(old)

    def _find_large(self) -> HeldModel | None:
        return next((h for h in self._slots.values() if not h.entry.bundled), None)

    def _make_room(self, task: LoadTask, total: int) -> None:
        """Close the large model if memory does not hold both."""
        old, free = self._find_large(), self._free()
        if old is None or (free is not None and total and with_room(total) <= free):
            return
        task.update(WAITING.format(name=old.entry.id) if old.users else WEIGHTS)
        with self._change:
            old.leaving = True
            end = time.monotonic() + PATIENCE
            while old.users and not task.cancelled.is_set() and time.monotonic() < end:
                self._change.wait(TICK)
            if old.users or task.cancelled.is_set():
                old.leaving = False
                if task.cancelled.is_set():
                    raise task.make_cancelled()
                raise ModelError(
                    f"{old.entry.id} is still answering somebody, and there is no memory for "
                    f"{task.entry.id} beside it; try again in a few minutes"
                )
            del self._slots[old.entry.id]
        task.freed = old.entry
        self._close(old)

    def _restore(self, task: LoadTask, old: Entry) -> None:
        """Load the model again that was closed for one that then failed."""
        task.cancelled = Event()
        task.update(RETURNING.format(name=old.id))
        try:
            explainer = self._load(
                old, on_progress=lambda at: task.update(task.stage, at.done, at.total)
            )
            with self._change:
                self._slots[old.id] = HeldModel(old, explainer)
        except Exception as error:
            log.exception("loading the previous model again failed", exc_info=error)
            task.error = ModelError(
                f"{task.error}; and {old.id}, which was closed to make room, could not be loaded "
                "again: choose it or another in the menu"
            )

    def _retire(self, slot: HeldModel) -> None:
        """Refuse new users of the model, and close it when the last one has ended."""
        with self._change:
            slot.leaving = slot.retired = True
            self._slots.pop(slot.entry.id, None)
            if slot.users:
                self._retired[slot.entry.id] = slot
                return
        self._close(slot)

    def _close(self, slot: HeldModel) -> None:
        if self._retired.get(slot.entry.id) is slot:
            del self._retired[slot.entry.id]
        slot.close()
