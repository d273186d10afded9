"""Which models are loaded, who is using them, and how one takes the place of another.

Bundled models are tiny: each is loaded when somebody first wants it and then stays, so every
visitor has the one of their choice. Of all others the server holds one at a time. A new one is
loaded while the old one serves, if there is memory for both; else the old one goes first and
comes back if the new one fails.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Event, Thread
from typing import Any, Protocol

from explainer.errors import ModelError, SightlineError
from explainer.models.loading.catalogue import BUNDLED, OWN, Entry, named_by_visitor
from explainer.models.loading.memory import with_room
from explainer.models.loading.options import WEIGHTS, LoadStep
from explainer.probing.regions import Region
from explainer.run import Run
from explainer.serving.load_task import TICK, LoadProgress, LoadTask

log = logging.getLogger(__name__)

WAITING = "waiting for an answer by {name} to end"
RETURNING = "bringing {name} back"
_FOLDERS = re.compile(r"(?<![\w/:.])/(?:[^/\s'\"]+/)+")
PATIENCE = 120.0  # seconds that a new model waits for answers under way


class Loaded(Protocol):
    """What is needed of an explainer, see `explainer.recording.explainer.Explainer`."""

    @property
    def model_id(self) -> str: ...

    def stream(self, image: Any, prompt: str, **options: Any) -> Iterator[Any]: ...

    def layer_bytes(self, image: Any, prompt: str, **options: Any) -> int: ...

    def add_scale(self, run: Run, alpha: float) -> Run: ...

    def add_words(self, run: Run, words: Sequence[str]) -> Run: ...

    def teacher_force(self, run: Run, answer: str) -> Run: ...

    def stream_attribution(
        self, run: Run, tokens: Sequence[int], method: str, **knobs: Any
    ) -> Iterator[Any]: ...

    def add_evidence(self, run: Run) -> Run: ...

    def token_probabilities(self, run: Run, variants: Sequence[Any]) -> Any: ...

    def probabilities_without(self, run: Run, regions: Sequence[Region], fill: str) -> Any: ...


@dataclass(frozen=True)
class Rules:
    """What visitors may do.

    Attributes:
        any_model: they may name a model that is not on the list.
        at_start_only: nothing is loaded later than at the start, as ZeroGPU wants it.
        why: a sentence on why the list is short, or "".
    """

    any_model: bool = False
    at_start_only: bool = False
    why: str = ""


Loader = Callable[..., Loaded]  # (entry, on_progress=..., reclaimable=...) -> explainer


@dataclass(eq=False)
class _Held:
    """A loaded model. `leaving`: no new answers; `retired`: closed when the last one ends."""

    entry: Entry
    explainer: Loaded
    users: int = 0
    leaving: bool = False
    retired: bool = False


class Models:
    """The models of one server. Safe to use from several threads.

    Args:
        entries: what can be chosen; the first one is loaded by `start` and is the default.
        load: makes an explainer of an entry; takes `on_progress` and `reclaimable` as
            `explainer.load` does.
        rules: what visitors may do.
        free: returns the free bytes of the device, None if not known.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        load: Loader,
        rules: Rules = Rules(),
        free: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.rules = rules
        self.default = entries[0].id
        self._entries = {e.id: e for e in entries}
        self._load, self._free = load, free
        self._held: dict[str, _Held] = {}
        self._retired: dict[str, _Held] = {}
        self._tasks: dict[str, LoadTask] = {}
        self._change = Condition()

    @classmethod
    def of_one(cls, explainer: Loaded) -> Models:
        """Return a server of one model that is loaded already."""
        entry = Entry(explainer.model_id, kind=BUNDLED)
        models = cls([entry], lambda entry, **_: explainer, Rules(at_start_only=True))
        models._held[entry.id] = _Held(entry, explainer)
        return models

    def start(self) -> None:
        """Load the first model here and now, and all of them if none can be loaded later."""
        for entry in list(self._entries.values()):
            if entry.id == self.default or self.rules.at_start_only:
                self._held[entry.id] = _Held(entry, self._load(entry))

    # What there is -------------------------------------------------------------------------------

    @property
    def entries(self) -> list[Entry]:
        return list(self._entries.values())

    def entry(self, model: Any) -> Entry:
        """Return the entry that is meant, "" being the one that serves now.

        Raises `ModelError` for a model that is not offered here.
        """
        if model is None or model == "":
            return self.current()
        if isinstance(model, str):
            name = model.strip()
            if name in self._entries:
                return self._entries[name]
            if self.rules.any_model and (entry := named_by_visitor(name)):
                return entry
        raise ModelError(
            f"{str(model)[:80]!r} is not one of the models offered here; {self._way()}"
        )

    def current(self) -> Entry:
        """Return the model to begin with: the default while it is loaded, else what is."""
        default = self._held.get(self.default)
        if default:
            return default.entry
        large = [
            h.entry for h in list(self._held.values()) if not h.entry.bundled and not h.leaving
        ]
        bundled = [entry for entry in self.entries if entry.bundled]
        return next(iter([*large, *bundled, *self.entries]))

    def ready(self, model: str) -> bool:
        """Return whether a model is loaded, or comes at once because it is bundled."""
        held, entry = self._held.get(model), self._entries.get(model)
        return bool(held and not held.leaving) or bool(entry and entry.bundled)

    def loaded(self, model: str) -> Loaded | None:
        """Return the explainer of a model that is loaded, None if it is not.

        Takes no lock: a forked worker asks, in which a lock could be held for ever.
        """
        held = self._held.get(model) or self._retired.get(model)
        return held.explainer if held else None

    def loading(self) -> list[LoadProgress]:
        """Return the progress of the loads under way, without their tickets."""
        return [task.progress("") for task in list(self._tasks.values())]

    def free_after(self, entry: Entry) -> int | None:
        """Return the bytes free for `entry` once the model that it replaces is gone."""
        free = self._free()
        if free is None or entry.bundled:
            return free
        return free + sum(_bytes(h) for h in list(self._held.values()) if not h.entry.bundled)

    # Using ---------------------------------------------------------------------------------------

    @contextmanager
    def use(self, model: Any) -> Iterator[Entry]:
        """Hold on to a model while an answer is made: it is not closed before the end.

        Raises `ModelError` if it is not loaded.
        """
        entry = self.entry(model)
        if entry.bundled and not self.rules.at_start_only and entry.id not in self._held:
            for _ in self.load(entry.id):
                pass
        with self._change:
            held = self._held.get(entry.id)
            if held is None or held.leaving:
                raise ModelError(self._absent(entry))
            held.users += 1
        try:
            yield held.entry
        finally:
            self._release(held)

    def _release(self, held: _Held) -> None:
        with self._change:
            held.users -= 1
            over = held.retired and not held.users
            self._change.notify_all()
        if over:
            self._close(held)

    def maker_of(self, run: Run) -> str:
        """Return the model that recorded a run; `ModelError` if it is no longer loaded."""
        for held in list(self._held.values()):
            if held.explainer.model_id == run.model_id and not held.leaving:
                return held.entry.id
        for entry in self.entries:
            if entry.bundled and entry.id == run.model_id:
                return entry.id
        raise ModelError(
            f"this answer is by {run.model_id}, which is not loaded any more. What was recorded "
            "can be explained; for another scale, word or answer choose that model in the menu, or "
            "press Explain to ask the present one"
        )

    def _absent(self, entry: Entry) -> str:
        task = self._tasks.get(entry.id)
        if task:
            return (
                f"the model {entry.id} is still being loaded ({task.stage}); wait for it, or "
                "choose another"
            )
        replacing = [t for t in self._tasks.values() if t.freed == entry or not t.entry.bundled]
        held = self._held.get(entry.id)
        if held and held.leaving and replacing:
            return (
                f"the model {entry.id} is making room for {replacing[0].entry.id}, which "
                "somebody is loading; wait for that one or choose another"
            )
        return f"the model {entry.id} is not loaded; {self._way()}"

    def _way(self) -> str:
        if self.rules.at_start_only:
            return "choose one that is in the menu"
        return f"choose it in the menu, or another; {self.current().id} is ready"

    # Loading -------------------------------------------------------------------------------------

    def load(self, model: Any) -> Iterator[LoadProgress]:
        """Load a model, yielding how far it is; returns when it is ready.

        Whoever asks for a model that is being loaded watches that load.

        Raises:
            ModelError: it cannot be loaded. What served before still does.
            LoadCancelled: `cancel` was called.
        """
        entry = self.entry(model)
        task, ticket = self._task(entry)
        if task is None:
            return
        yield from task.watch(ticket)

    def cancel(self, ticket: Any) -> None:
        """End the load with this ticket at its next step; other tickets do nothing."""
        if not isinstance(ticket, str) or not ticket.isascii():  # what cannot be compared
            return
        for task in list(self._tasks.values()):
            if secrets.compare_digest(task.ticket, ticket):
                task.cancelled.set()

    def _task(self, entry: Entry) -> tuple[LoadTask | None, str]:
        """Return the load of an entry, begun now if need be; None if there is nothing to do."""
        with self._change:
            held = self._held.get(entry.id)
            if held and not held.leaving:
                return None, ""
            if entry.id in self._tasks:
                return self._tasks[entry.id], ""
            if self.rules.at_start_only:
                raise ModelError(self._absent(entry))
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
            self._bring(task)
        except ModelError as error:
            task.error = ModelError(without_folders(str(error), task.entry))
        except SightlineError as error:
            task.error = error
        except Exception as error:
            log.exception("loading failed", exc_info=error)
            task.error = ModelError(f"cannot load {task.entry.id}; the log of the server says why")
        if task.freed:
            self._bring_back(task)
        with self._change:
            del self._tasks[task.entry.id]
            self._change.notify_all()
        task.ended.set()

    def _bring(self, task: LoadTask) -> None:
        """Load what the task is about and let it serve in place of the large one before it."""

        def step(at: LoadStep) -> None:
            if task.cancelled.is_set():
                raise task.stopped()
            if at.stage == WEIGHTS and not at.done and not task.entry.bundled:
                self._make_room(task, at.total)
            task.at(at.stage, at.done, at.total)

        old = self._large()
        reclaimable = _bytes(old) if old and not task.entry.bundled else 0
        explainer = self._load(task.entry, on_progress=step, reclaimable=reclaimable)
        if task.cancelled.is_set():
            _close(explainer)
            raise task.stopped()
        with self._change:
            old = self._large()
            self._entries.setdefault(task.entry.id, task.entry)
            self._held[task.entry.id] = _Held(task.entry, explainer)
            task.freed = None
        if old and not task.entry.bundled:
            self._retire(old)

    def _large(self) -> _Held | None:
        return next((h for h in self._held.values() if not h.entry.bundled), None)

    def _make_room(self, task: LoadTask, total: int) -> None:
        """Close the large model if the new one does not fit beside it."""
        old, free = self._large(), self._free()
        if old is None or (free is not None and total and with_room(total) <= free):
            return
        task.at(WAITING.format(name=old.entry.id) if old.users else WEIGHTS)
        with self._change:
            old.leaving = True
            end = time.monotonic() + PATIENCE
            while old.users and not task.cancelled.is_set() and time.monotonic() < end:
                self._change.wait(TICK)
            if old.users or task.cancelled.is_set():
                old.leaving = False
                if task.cancelled.is_set():
                    raise task.stopped()
                raise ModelError(
                    f"{old.entry.id} is still answering somebody, and {task.entry.id} does "
                    "not fit beside it; try again in a few minutes"
                )
            del self._held[old.entry.id]
        task.freed = old.entry
        self._close(old)

    def _bring_back(self, task: LoadTask) -> None:
        """Load the model again that went to make room for one that failed."""
        old, task.cancelled = task.freed, Event()
        task.at(RETURNING.format(name=old.id))
        try:
            explainer = self._load(
                old, on_progress=lambda at: task.at(task.stage, at.done, at.total)
            )
            with self._change:
                self._held[old.id] = _Held(old, explainer)
        except Exception as error:
            log.exception("bringing a model back failed", exc_info=error)
            task.error = ModelError(
                f"{task.error}; and {old.id}, which had made room for it, could not be loaded "
                "again: choose it in the menu, or another"
            )

    def _retire(self, held: _Held) -> None:
        """Let no new answers begin; close the model when the last one has ended."""
        with self._change:
            held.leaving = held.retired = True
            self._held.pop(held.entry.id, None)
            if held.users:
                self._retired[held.entry.id] = held
                return
        self._close(held)

    def _close(self, held: _Held) -> None:
        if self._retired.get(held.entry.id) is held:
            del self._retired[held.entry.id]
        explainer, held.explainer = held.explainer, None
        _close(explainer)


NOTHING_NEW = "no model is loaded here, so nothing new can be asked"


class NoModels(Models):
    """A server without any model: recorded runs can be opened, and nothing asked."""

    def __init__(self) -> None:
        rules = Rules(at_start_only=True, why="No model is loaded; recorded answers can be opened.")
        super().__init__([Entry("none", kind=OWN)], self._refuse, rules)

    def start(self) -> None:
        """Load nothing."""

    def maker_of(self, run: Run) -> str:
        """Raise `ModelError` that names the model of the run."""
        raise ModelError(
            f"{NOTHING_NEW}. This answer is by {run.model_id}: start Sightline with that model "
            "for other scales or words. What was recorded stays"
        )

    def _absent(self, entry: Entry) -> str:
        return f"{NOTHING_NEW}; open a recorded answer, or start Sightline with a model"

    def _refuse(self, entry: Entry, **how: Any) -> Loaded:
        raise ModelError(self._absent(entry))


def without_folders(text: str, entry: Entry) -> str:
    """Return a text for visitors: of absolute paths only the last part is left."""
    return _FOLDERS.sub("", text if entry.folder is None else text.replace(entry.source, entry.id))


def _close(explainer: Any) -> None:
    close = getattr(explainer, "close", None)
    if close:
        close()


def _bytes(held: _Held) -> int:
    return int(getattr(held.explainer, "nbytes", 0) or 0)
