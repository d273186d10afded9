"""The model menu: what it offers, what happens when a model is chosen, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, TypedDict

from explainer.errors import LoadCancelled, RunError
from explainer.models.loading.catalogue import (
    BUNDLED,
    HUB,
    NAMED,
    Entry,
    describe_abilities,
)
from explainer.models.loading.hub import download_command, is_downloaded, is_offline, page_of
from explainer.serving.load_task import LoadProgress
from explainer.serving.model_pool import Models
from explainer.ui.model_card import describe
from explainer.web import texts
from explainer.web.calls import MenuCall, read_call
from explainer.web.messages import Message, Value
from explainer.web.page_messages import (
    LoadingMenu,
    MenuGroup,
    MenuModel,
    MenuValue,
    ModelLoad,
    ModelScales,
)
from explainer.web.texts import in_words

_GROUPS = {BUNDLED: texts.MODELS_BUNDLED, HUB: texts.MODELS_HUB}
_GB = 1e9


class ListedModel(TypedDict):
    """A model as programs see it.

    `needs_bytes` of memory, by the precision of its weights. `download_bytes` are those of the
    published weights.
    """

    model: str
    loaded: bool
    bundled: bool
    parameters: int | None
    needs_bytes: dict[str, int | None]
    download_bytes: int | None
    licence: str | None
    about: str


class ModelOffer(NamedTuple):
    """A model for photographs: what to say of it, and its id, "" where none can be loaded."""

    text: str
    model: str


class ModelMenu:
    """The handlers of the model menu.

    Args:
        models: the models of this server.
        precision: returns what weights are loaded in, a key of `memory.BITS`.
        about: a sentence in place of the model's own, for a page with one model.
    """

    def __init__(
        self, models: Models, precision: Callable[[], str] = lambda: "float32", about: str = ""
    ) -> None:
        self._models, self._precision, self._about = models, precision, about

    def value(self, model: str | None = None) -> Value:
        """Return the `MenuValue` as JSON, with `model` chosen, or the one that serves now."""
        return self._value(model).as_json()

    def _value(self, model: str | None = None) -> MenuValue:
        known = model is not None and self._models.ready(model)
        entry = self._models.entry(model) if known else self._models.current()
        at = self._models.loading_at_start(entry.id)
        return MenuValue(
            model=entry.id,
            groups=self._groups(),
            any=self._models.rules.any_model,
            line=self.line(entry),
            link="" if entry.kind not in (HUB, NAMED) else page_of(entry.id),
            details=self.details(entry),
            scales=self._scales(entry),
            thinks=bool(self._models.facts(entry.id).get("can_think")),
            said=Message(text="", kind=""),
            starting=_load(at) if at else None,
        )

    def initial(self) -> Value:
        """Return the menu that a page draws until it has asked for the current one.

        Pages that are opened later get it, too: it says nothing of a model that is still loading.
        """
        value = self._value()
        if value.starting:
            value = value.model_copy(update={"line": "", "details": "", "starting": None})
        return value.as_json()

    def refresh(self, message: Any) -> Value:
        """Return the current menu; what the page had chosen stays if it is still loaded.

        `choices` comes back, so that the page can tell whether it chose again meanwhile.

        Args:
            message: a `MenuCall`; anything else gets the menu of a new page.
        """
        call = _read(message)
        value = self._value(call.model)
        return value.model_copy(update={"choices": call.choices}).as_json()

    def choose(self, message: Any) -> Iterator[Value]:
        """Yield the progress of the model that was asked for, and then the menu with it.

        If it cannot be loaded, the menu stays as it was and says why.

        Args:
            message: a `MenuCall`.
        """
        call = _read(message)
        try:
            entry = self._models.entry(call.asked)
            for progress in self._models.load(entry.id):
                yield LoadingMenu(busy=_load(progress)).as_json()
            yield self.value(entry.id)
        except LoadCancelled as error:
            yield self._keep(call.model, error, "note")
        except Exception as error:
            yield self._keep(call.model, error, "error")

    def cancel(self, message: Any) -> None:
        """Stop the load whose ticket the page was given."""
        self._models.cancel(_read(message).ticket)

    def _keep(self, model: str | None, error: Exception, kind: Literal["note", "error"]) -> Value:
        """Return the menu with the model of before, and what went wrong."""
        value = self._value(model)
        still = texts.MODEL_KEPT.format(name=self._models.entry(value.model).id)
        text = in_words(error).rstrip(".")
        if "/" in text.split(" ")[0]:  # a hub id, in which capitals count
            text = str(error).rstrip(".")
        message = Message(text=f"{text}. {still}", kind=kind)
        return value.model_copy(update={"said": message}).as_json()

    # What is said of a model ---------------------------------------------------------------------

    def line(self, entry: Entry) -> str:
        """Return what a model can and cannot do, in a few words."""
        if self._about:
            return self._about
        if self._models.loading_at_start():  # what it can do is known once torch is imported
            return texts.MODEL_STARTING
        can = describe_abilities(self._models.facts(entry.id).get("model_type") or entry.model_type)
        if entry.bundled:
            said = describe(entry.source, bundled=False).partition(". ")[2]
        else:
            size = f"{_count(entry.parameters)} parameters" if entry.parameters else ""
            said = ", ".join(filter(None, (size, entry.licence)))
        return " ".join(_sentence(part) for part in (said, can) if part)

    def details(self, entry: Entry) -> str:
        """Return the facts of a loaded model for the part that explains the page."""
        facts, why = self._models.facts(entry.id), self._models.rules.why
        if not facts:
            return f"Model: {entry.id}. {why}".strip()
        size = f", {_count(entry.parameters)} parameters" if entry.parameters else ""
        at = f", revision {entry.revision}" if entry.revision else ""
        penalty = texts.OWN_PENALTY.format(penalty=facts["repetition_penalty"])
        return (
            f"Model: {entry.id}{at} ({facts['label']}{size}), "
            f"on {facts['device']} in {facts['dtype']}. {penalty} {why}"
        ).strip()

    def listing(self) -> list[ListedModel]:
        """Return the models that are offered, and which of them are loaded."""
        return [
            {
                "model": e.id,
                "loaded": self._models.loaded(e.id) is not None,
                "bundled": e.bundled,
                "parameters": e.parameters or None,
                "needs_bytes": {p: e.needs(p) for p in ("float32", "bfloat16", "4bit")},
                "download_bytes": e.download_bytes,
                "licence": e.licence or None,
                "about": describe_abilities(e.model_type),
            }
            for e in self._models.entries
        ]

    def offer(self) -> ModelOffer:
        """Offer the smallest model besides the bundled ones that fits this machine."""
        precision, rules = self._precision(), self._models.rules
        sizes = [(e.needs(precision) or 0, e) for e in self._models.entries if not e.bundled]
        listed = sorted((one for one in sizes if one[0]), key=lambda one: one[0])
        if rules.at_start_only or not listed:
            return ModelOffer(rules.why, "")
        needs, entry = listed[0]
        free = self._models.free_after(entry)
        if free is not None and needs > free:
            text = texts.NONE_FITS.format(name=entry.id, needs=_gb(needs), free=_gb(free))
            return ModelOffer(text, "")
        text = self._describe_offer(entry, precision)
        if entry.folder is None and is_offline() and not is_downloaded(entry.id, entry.revision):
            before = texts.FETCH_BEFORE.format(command=download_command(entry.id))
            return ModelOffer(f"{text} {before}", "")
        return ModelOffer(text, entry.id)

    def _describe_offer(self, entry: Entry, precision: str) -> str:
        from explainer.serving.answer_time import estimate_answer  # which needs torch

        return texts.OFFER.format(
            name=entry.id,
            size=_to_download(entry) or texts.ON_THIS_MACHINE,
            licence=entry.licence.partition(":")[0] or texts.UNKNOWN_LICENCE,
            seconds=_round(estimate_answer(entry, precision)),
        )

    def load_api(self, model: str) -> ListedModel:
        """Load a model that /models lists, and return what is known of it.

        Args:
            model: its id
        """
        entry = self._models.entry(model)
        for _ in self._models.load(entry.id):
            pass
        return next(told for told in self.listing() if told["model"] == entry.id)

    def _scales(self, entry: Entry) -> ModelScales:
        """Return the bounds of the scale sliders for a model, and why they are there."""
        facts = self._models.facts(entry.id)
        if not facts:
            return ModelScales()
        low, high = facts["alphas"]
        why = texts.NO_LARGER_SCALES.format(name=facts["label"]) if high <= 1 else ""
        return ModelScales(low=low, high=high, why=why)

    def _groups(self) -> list[MenuGroup]:
        """Return the groups of the menu; in each, what fits comes first, the newest on top."""
        entries = self._models.entries
        groups: dict[str, list[MenuModel]] = {_group(entry): [] for entry in entries}
        newest = sorted(entries, key=lambda entry: entry.released, reverse=True)
        for entry in sorted(newest, key=self._is_too_large):
            groups[_group(entry)].append(MenuModel(id=entry.id, text=self._option(entry)))
        return [MenuGroup(label=label, models=models) for label, models in groups.items()]

    def _is_too_large(self, entry: Entry) -> bool:
        if entry.bundled or self._models.loading_at_start():
            return False
        needs, free = entry.needs(self._precision()), self._models.free_after(entry)
        return bool(needs and free is not None and needs > free)

    def _option(self, entry: Entry) -> str:
        """Return the text of an entry: name, and what it needs where that matters."""
        if self._models.loading_at_start():
            return entry.id
        name, needs = entry.id, entry.needs(self._precision())
        if not entry.bundled and self._models.loaded(entry.id):
            return f"{name} · {texts.MODEL_LOADED}"
        if entry.bundled or not needs:
            return name
        free = self._models.free_after(entry)
        if free is not None and needs > free:
            return f"{name} · " + texts.MODEL_TOO_LARGE.format(needs=_gb(needs), free=_gb(free))
        licence = entry.licence.partition(":")[0]
        memory = texts.NEEDED_MEMORY.format(size=_gb(needs))
        return " · ".join(filter(None, (name, memory, _to_download(entry), licence)))


def _read(message: Any) -> MenuCall:
    """Return what the page sent of its menu; an empty call if that cannot be read."""
    try:
        return read_call(MenuCall, message)
    except RunError:
        return MenuCall()


def _group(entry: Entry) -> str:
    return _GROUPS.get(entry.kind, texts.MODELS_OWN)


def _to_download(entry: Entry) -> str:
    """Return what of a model has to be downloaded; "" if it is on this machine, or unknown."""
    size = entry.download_bytes
    if not size or is_downloaded(entry.id, entry.revision):
        return ""
    return texts.TO_DOWNLOAD.format(size=_gb(size))


def _load(progress: LoadProgress) -> ModelLoad:
    return ModelLoad(
        name=progress.name,
        stage=progress.stage,
        fraction=progress.fraction,
        seconds=round(progress.seconds, 1),
        ticket=progress.ticket,
    )


def _gb(n: int) -> str:
    return f"{n / _GB:.1f}" if n < 9.95 * _GB else f"{n / _GB:.0f}"


def _round(seconds: float) -> int:
    """Return seconds as one or two digits say them, as an estimate has no more."""
    step = 1 if seconds < 20 else 10 if seconds < 200 else 100
    return max(1, round(seconds / step) * step)


def _count(n: int) -> str:
    return f"{n / 1e9:.1f} billion" if n >= 1e9 else f"{n / 1e6:.1f} million"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
