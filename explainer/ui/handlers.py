"""What happens on the page's events, as plain functions of values.

Recording yields page updates; maps are in `maps`, arithmetic on a stored run. Whatever goes wrong
becomes a sentence on the page, and what was there before stays usable.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from threading import Lock
from typing import Any, NamedTuple

from explainer.errors import ImageError, RunError, SightlineError
from explainer.media.images import Picture
from explainer.run import ANSWER, NOTHING_SAID, Conversation, Run
from explainer.run.schema import RoleName
from explainer.run.store import RunStore
from explainer.serving.jobs import (
    AnswerJob,
    EvidenceJob,
    FollowUpJob,
    Job,
    MapRequest,
    MapsJob,
    Media,
    RecordJob,
    RunJob,
    ScalesJob,
    SourcesJob,
    WordsJob,
    Worker,
    said_before,
)
from explainer.serving.load_task import LoadProgress
from explainer.serving.loaded import Loaded
from explainer.serving.model_pool import Models
from explainer.ui.maps import stored
from explainer.ui.media_inputs import inputs, media_bytes
from explainer.ui.uploads import Uploads
from explainer.web import controls, payload, texts
from explainer.web.calls import SubjectCall, read_call
from explainer.web.controls import DecodingControls
from explainer.web.lacking import missing_scales
from explainer.web.messages import Value, busy, failed, said
from explainer.web.subjects import read_subject

NOTHING: Value = {}  # leaves a drawn component as it is


class PageUpdate(NamedTuple):
    """New values of the drawn components during a recording."""

    bar: Value
    view: Value = NOTHING
    backdrop: Value = NOTHING
    notice: Value = NOTHING


@dataclass(frozen=True)
class PageExample:
    """One picture and prompt to try."""

    picture: Picture
    prompt: str
    label: str


class Handlers:
    """The page's events for the models of a server, or one explainer, and one store of runs.

    `gpu` decorates the generator function that uses the model.
    """

    def __init__(
        self,
        models: Models | Loaded,
        store: RunStore,
        examples: Sequence[PageExample] = (),
        gpu: Callable[[Worker], Worker] = lambda worker: worker,
    ) -> None:
        self._models = models if isinstance(models, Models) else Models.of_one(models)
        self._store = store
        self._examples = examples
        self.uploads = Uploads(store, [example.picture.pixels for example in examples])
        self._work = gpu(self._models.run_job)
        self._keeping = Lock()

    # Recording -----------------------------------------------------------------------------------

    def record(
        self,
        source: Any,
        prompt: Any,
        previous: Any,
        max_new_tokens: Any,
        temperature: Any,
        seed: Any,
        panel: Any,
        option: Any,
        model: Any = "",
        more: Any = None,
        layers: Any = None,
        repetition_penalty: Any = None,
        thinking: Any = False,
        system: Any = "",
    ) -> Iterator[PageUpdate]:
        """Yield what the page shows while an answer is recorded, and at last its chips.

        On an error the chips of the `previous` run come back.
        """
        try:
            media, asked, notes = inputs(source, more, prompt)
            settings = controls.read_settings(panel, option)
            thinks = controls.read_yes(thinking) and self._can_think(chosen(model))
            decoding = controls.read_decoding(
                max_new_tokens, temperature, seed, layers, repetition_penalty, thinks
            )
            yield PageUpdate(payload.live_bar([]), busy(texts.BUSY_READING), notice=_note(notes))
            before = Conversation(controls.read_text(system or "").strip())
            steps = self.steps(media, asked, decoding, settings.needed, chosen(model), before)
            for page in self.follow(self.uploads.giving_up(steps, source, more)):
                yield page._replace(notice=_note(notes))  # a browser may skip all but the last page
        except Exception as error:
            message = failed(error)
            picture_is_wrong = isinstance(error, ImageError)
            notice, view = (message, said("")) if picture_is_wrong else (NOTHING, message)
            yield PageUpdate(self.restored(previous), view, notice=notice)

    def _can_think(self, model: Any) -> bool:
        """Return whether the model thinks: the choice of one that does stays when it is changed."""
        return bool(self._models.facts(self._models.entry(model).id).get("can_think"))

    def follow(
        self, steps: Iterator[Any], thread: Sequence[tuple[str, RoleName]] = ()
    ) -> Iterator[PageUpdate]:
        """Yield the page after each step, and all chips at the end; the page asks for maps.

        `thread` is what stands around the answer meanwhile, see `payload.live_bar`.
        """
        pieces: list[str] = []
        for item in steps:
            if isinstance(item, LoadProgress):
                yield PageUpdate(NOTHING, busy(_describe_load(item)))
            elif isinstance(item, RecordedRun):
                run, key = item
                empty = not len(run.indices(ANSWER))
                note = said(texts.EMPTY_ANSWER, "note") if empty else said("", "")
                yield PageUpdate(payload.bar(run, key), note, payload.picture(run, key))
            elif item.kind == "token":
                pieces += [item.text] if item.text else []
                line = texts.BUSY_ANSWERING.format(done=item.done, total=item.total)
                yield PageUpdate(payload.live_bar(pieces, thread), busy(line))
            elif item.kind == "again":
                pieces = []
                yield PageUpdate(payload.live_bar(pieces, thread), busy(texts.BUSY_AGAIN))
            elif item.kind == "long":
                line = texts.BUSY_LONG.format(total=f"{item.total:,}", size=item.text)
                yield PageUpdate(payload.live_bar(pieces, thread), busy(line))
            elif item.kind == "layers":
                line = texts.BUSY_LAYERS.format(count=item.done, size=item.text)
                yield PageUpdate(payload.live_bar(pieces, thread), busy(line))
            elif item.kind == "scale":
                line = texts.BUSY_SCALES.format(done=item.done, total=item.total)
                yield PageUpdate(payload.live_bar(pieces, thread), busy(line))

    def steps(
        self,
        media: Media,
        prompt: str,
        decoding: DecodingControls,
        scales: Sequence[float],
        model: Any,
        conversation: Conversation = NOTHING_SAID,
    ) -> Iterator[Any]:
        """Yield the steps of a recording that are not in the store yet, and the stored run.

        If the server is still loading the model, its progress comes first.
        """
        settings, before = _decoding_key(decoding), said_before(conversation)
        entry = self._models.entry(model)
        made_by = f"{entry.id}@{entry.revision}" if entry.revision else entry.id
        key = self._store.key(media_bytes(media), prompt, made_by, {**settings, **before})
        run = self._store.get(key)
        missing = missing_scales(run, scales)
        if run is None or missing:
            yield from self._models.watch_start(entry.id)
            with self._models.use(entry.id):
                options = {**asdict(decoding), **before}
                job: Job = (
                    RecordJob(media, prompt, missing, options, model=entry.id, name=key)
                    if run is None
                    else ScalesJob(run, missing, model=entry.id, name=key)
                )
                run = yield from self._store_result(key, self._work(job))
        yield RecordedRun(run, key)

    def _store_result(self, key: str, steps: Iterator[Any]) -> Generator[Any, None, Run]:
        """Yield the steps before the run that they end with; store that, and return it."""
        run = None
        for item in steps:
            if isinstance(item, Run):
                run = item
            else:
                yield item
        if run is None:
            raise RunError(texts.BROKEN)
        self._store.put(key, run)
        return run

    def answer_again(
        self, run: Run, media: Media, decoding: DecodingControls, scales: Sequence[float]
    ) -> Iterator[Any]:
        """Yield the steps in which the model of a run answers its prompt about other pictures."""
        maker = self._models.maker_of(run)
        return self.steps(media, run.prompt, decoding, scales, maker, run.conversation)

    def follow_up(self, key: str, prompt: str, decoding: DecodingControls) -> Iterator[Any]:
        """Yield the steps of an answer to a further prompt about a stored run, and that run."""
        change = {"prompt": prompt, **_decoding_key(decoding)}
        return self._derive(
            key, change, partial(FollowUpJob, prompt=prompt, options=asdict(decoding))
        )

    def _derive(
        self, key: str, change: Mapping[str, Any], make: Callable[[Run], RunJob]
    ) -> Iterator[Any]:
        """Yield the steps that turn a stored run into another, named by `change`, and that run."""
        before = self.run(key)
        name = self._store.key(key.encode(), "", before.model_id, change)
        run = self._store.get(name)
        if run is None:
            steps = self.job_steps(replace(make(before), name=name))
            run = yield from self._store_result(name, steps)
        yield RecordedRun(run, name)

    def add_to_run(self, key: str, make: Callable[[Run], RunJob]) -> Run:
        """Run the job that `make` returns for a stored run; return and keep the new run."""
        *_, run = self.add_in_steps(key, make)
        return run

    def add_in_steps(self, key: str, make: Callable[[Run], RunJob]) -> Iterator[Any]:
        """Yield the steps of `add_to_run`, and the new run as the last item, which is kept then."""
        before = self.run(key)
        job = make(before)
        for item in self.job_steps(replace(job, name=_name(key, job))):
            yield self._keep(key, before, item) if isinstance(item, Run) else item

    def _keep(self, key: str, before: Run, grown: Run) -> Run:
        """Keep a run that has grown, joined with what was added to it meanwhile, and return it.

        Maps of comparison methods may be added beside other things.
        """
        with self._keeping:
            now = self._store.get(key)
            if now is not None and now is not before:
                only_maps = grown.attributions.keys() != before.attributions.keys()
                kept, other = (now, grown) if only_maps else (grown, now)
                grown = kept.with_attributions(other.attributions, other.attribution_notes)
            self._store.put(key, grown)
            return grown

    def with_words(self, key: str, words: tuple[str, ...]) -> Run:
        """Add the rows of further words to a stored run; return the new run."""
        return self.add_to_run(key, partial(WordsJob, words=words))

    def with_maps(self, key: str, requests: tuple[MapRequest, ...]) -> Run:
        """Add maps of methods that ask the model, if any are requested, to a stored run."""
        if not requests:
            return self.run(key)
        return self.add_to_run(key, partial(MapsJob, requests=requests))

    def with_evidence(self, key: str) -> Run:
        """Return a stored run with the reliance of its answer on the picture."""
        run = self.run(key)
        return self.add_to_run(key, EvidenceJob) if run.evidence is None else run

    def with_sources(self, key: str) -> Run:
        """Return a stored run with what the words of its answer rest on."""
        run = self.run(key)
        return self.add_to_run(key, SourcesJob) if run.sources is None else run

    def read_answer(self, key: str, answer: str) -> RecordedRun:
        """Return the run in which the model said `answer` to the prompt of the stored run."""
        *_, recorded = self._derive(key, {"answer": answer}, partial(AnswerJob, answer=answer))
        return recorded

    def run_job(self, job: RunJob) -> Any:
        """Run a job by the model of its run; return its last item."""
        *_, result = self.job_steps(job)
        return result

    def job_steps(self, job: RunJob) -> Iterator[Any]:
        """Yield all steps of a job by the model of its run."""
        with self._models.use(self._models.maker_of(job.run)) as entry:
            yield from self._work(replace(job, model=entry.id))

    def run(self, key: str) -> Run:
        """Return a run by its id; `RunError` if it has expired."""
        return stored(self._store, key)

    # Around it -----------------------------------------------------------------------------------

    def begin(self, bar: Any) -> Value:
        """Return what to come back to if the recording that starts now does not end.

        That is a `SubjectCall` as JSON, or {} if there is no run to come back to.
        """
        try:
            call = read_call(SubjectCall, bar)
        except RunError:
            return {}
        subject = call.subject.as_json() if call.subject else None
        return {"run": call.run, "subject": subject}

    def stopped(self, previous: Any) -> tuple[Value, Value, Value]:
        """Return chips, message and picture from before the recording that was stopped.

        All three, because the recording may have ended in the very moment of the click.
        """
        bar = self.restored(previous)
        if not bar["run"]:
            return bar, said(texts.STOPPED, "note"), NOTHING
        picture = payload.picture(self.run(bar["run"]), bar["run"])
        return bar, said(texts.STOPPED_BACK, "note"), picture

    def restored(self, previous: Any) -> Value:
        """Return the chips of the run that was shown before, or none at all."""
        try:
            call = read_call(SubjectCall, previous)
            run = self.run(call.run)
            read_subject(run, call.subject)
            return payload.bar(run, call.run, call.subject)
        except SightlineError:
            return payload.empty_bar()

    def choose(self, index: Any) -> tuple[Any, str, None]:
        """Return the picture and prompt of an example, and nothing in place of further files."""
        example = self._examples[controls.read_index(index, len(self._examples))]
        return example.picture.pixels, example.prompt, None


def _name(key: str, job: RunJob) -> str:
    """Return the name of a job that adds to a stored run.

    Maps may be made beside other things, which are added one after another.
    """
    requests = job.requests if isinstance(job, MapsJob) else ()
    maps = [(r.method, r.tokens, sorted(r.knobs.items())) for r in requests]
    return f"{key} {maps or 'more'}"


def chosen(menu: Any) -> Any:
    """Return the model id in the value of the model menu, or the value itself."""
    return menu.get("model") if isinstance(menu, Mapping) else menu


class RecordedRun(NamedTuple):
    """A run and its name in the store."""

    run: Run
    key: str


def _describe_load(at: LoadProgress) -> str:
    share = "" if at.fraction is None else f", {at.fraction:.0%}"
    return texts.BUSY_LOADING.format(stage=at.stage, share=share)


def _decoding_key(decoding: DecodingControls) -> dict[str, Any]:
    """Return what tells answers of different decoding apart: the seed only where it is used."""
    return {k: v for k, v in asdict(decoding).items() if k != "seed" or decoding.temperature}


def _note(notes: Sequence[str]) -> Value:
    return said(" ".join(notes), "note" if notes else "")
