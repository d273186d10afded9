"""`explain`: record an answer about a picture and write heatmaps of its words."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explainer.commands import conversation_flags, knob_flags, subject_flags
from explainer.commands.method_names import ALL, split_methods
from explainer.commands.terminal import decode_argument
from explainer.errors import ImageError, MethodError, RunError
from explainer.export import COVERS, SEQUENTIAL, THEMES, Chosen, Exhibit, Look, chips
from explainer.export.exhibit import title, tokens_of
from explainer.export.fonts import warn_about_undrawable
from explainer.export.overlay import outlined, png
from explainer.methods import COMPARISON, METHODS, OPT_IN, find_method
from explainer.methods.comparison import Comparison
from explainer.methods.subjects import Span, Subject, words_of
from explainer.probing.reliance import EMPTY, reliance
from explainer.probing.sources import describe_sources, word_sources
from explainer.probing.tiling import Tiling
from explainer.run import ROLE_NAMES, SOURCES, Run
from explainer.run.files import check_folder, file_name, free_stem, write_bytes
from explainer.serving import model_flags
from explainer.web.formats import DRAWN, FORMATS, WHOLE, WORD, Format

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer, Step

HELP = "ask about a picture and write heatmaps of the words of the answer"

LAYERS = ("last", "even", "all")
# Flags that only a recording uses, with their defaults.
RECORDING = {
    "prompt": None,
    "video": None,
    "layers": "last",
    "max_new_tokens": 64,
    "temperature": 0.0,
    "seed": 0,
    "repetition_penalty": None,
    "thinking": False,
    "system": "",
    "history": None,
}
_SCALES = (0.5, 0.75, 1.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; those of the methods come from the methods' own declarations."""
    add = parser.add_argument
    add(
        "images",
        metavar="IMAGE",
        nargs="*",
        help="a picture, several for models that take them, or a run recorded before (.npz)",
    )
    add("--video", metavar="FILE", help="ask about a video in place of pictures")
    add(
        "--prompt",
        type=decode_argument,
        metavar="TEXT",
        help="what to ask; needed for a picture or a video",
    )
    add(
        "--methods",
        type=split_methods,
        default="msea_arc",
        metavar="LIST",
        help=f"names with commas between; default: msea_arc. {', '.join(METHODS)}, or {ALL} for "
        f"these; for comparison, with the model: {', '.join(COMPARISON)}; patented and not part "
        f"of any list: {', '.join(OPT_IN)}",
    )
    add("--layer", type=int, metavar="N", help="read the maps from this layer of the run")
    add("--preset", help="start from a named setting of the method, such as paper")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="where to write; default: out")
    add("--overwrite", action="store_true", help="replace a run of the same name in that folder")
    add(
        "--format",
        nargs="+",
        choices=FORMATS,
        default=["png"],
        metavar="NAME",
        help=f"what to write, one or several of {', '.join(FORMATS)}; default: png",
    )
    add("--theme", choices=THEMES, default="light", help="of figures; default: light")
    add("--colours", choices=SEQUENTIAL, default="inferno", help="default: inferno")
    add(
        "--draw-parts",
        action="store_true",
        help="write the pictures with the parts that EAGLE shows and hides, before it searches",
    )
    add(
        "--cover",
        choices=COVERS,
        default=COVERS[0],
        help=f"what the colours cover; default: {COVERS[0]}",
    )
    add("--opacity", type=float, default=Look.opacity, help="of colour, 0..1; default: %(default)s")

    subject_flags.add_subject_flags(parser)
    model_flags.add_model_flags(parser)
    answer = parser.add_argument_group("answer")
    answer.add_argument("--max-new-tokens", type=int, help="default: 64")
    answer.add_argument("--temperature", type=float, help="default: 0 (greedy)")
    answer.add_argument("--seed", type=int, help="of the draws; default: 0")
    answer.add_argument(
        "--repetition-penalty", type=float, help="1 for none; default: the checkpoint's own"
    )
    add("--thinking", action="store_true", help="open the answer with a thought (Qwen3.5, Gemma 4)")
    answer.add_argument(
        "--layers",
        choices=LAYERS,
        help="decoder layers to keep in the run; their memory is printed first; default: last",
    )
    answer.add_argument(
        "--evidence",
        action="store_const",
        const=EMPTY,
        default=(),
        help="measure how much each word rests on the picture; one more reading",
    )
    answer.add_argument(
        "--sources",
        action="store_true",
        help="measure what each word rests on: picture, prompt or earlier words; one more reading",
    )
    answer.add_argument(
        "--answer",
        type=decode_argument,
        metavar="TEXT",
        help="explain this text as if the model had said it; of a recorded run, in place of its "
        "answer",
    )

    conversation_flags.add_conversation_flags(parser)
    parser.set_defaults(**RECORDING)
    knob_flags.add_knob_flags(parser)


def main(args: argparse.Namespace) -> int:
    """Record (or open) a run, list its tokens, and write the requested files."""
    subject_flags.check(args)
    look = Look(args.colours, opacity=args.opacity, cover=args.cover, theme=args.theme)
    if not args.methods:
        raise MethodError("--methods names no method; leave it out for msea_arc")
    methods = [find_method(name) for name in args.methods]
    knob_flags.check_used(methods, args)
    settings = {m.name: knob_flags.settings(m, args) for m in methods}
    for method in methods:
        if args.preset and args.preset not in method.presets:
            print(f"note: {method.name} has no preset {args.preset!r} and keeps its defaults")
    check_folder(args.out)
    model = _LazyModel(args)
    run, before = _make_run(args, model, settings)
    record = _RunFile(_stem(args), before)
    record.keep(run)  # before maps are computed, which can take minutes
    _list_tokens(run)
    run, subjects = subject_flags.subjects(
        run, args, lambda run, words: model.explainer.add_words(run, words)
    )
    if args.draw_parts:
        _draw_parts(run, settings, record.stem)
    chosen = tuple(Chosen(m, settings[m.name]) for m in methods)
    for grown in _add_comparison_maps(run, model, subjects or chips(run), chosen):
        run = grown
        record.keep(run)
    if "npz" in args.format:
        record.keep(run, always=True)
    looked = run if args.layer is None else run.at_layer(args.layer)
    if set(args.format) & set(DRAWN) and (note := warn_about_undrawable((run.prompt, run.answer))):
        print(f"note: {note}")
    for name in args.format:
        shown = subjects or FORMATS[name].pieces(run)
        _write(Exhibit(looked, chosen, tuple(shown), look), FORMATS[name], record.stem)
    return 0


# The run -----------------------------------------------------------------------------------------


class _LazyModel:
    """The model of the flags, loaded on first use."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args

    @cached_property
    def explainer(self) -> Explainer:
        model_flags.silence_libraries()
        return model_flags.load_from_flags(self._args)


def _make_run(
    args: argparse.Namespace, model: _LazyModel, settings: Mapping[str, Mapping[str, Any]]
) -> tuple[Run, Run | None]:
    """Record or open the run; return it, and the one read from a file or None."""
    if not args.images and not args.video:
        raise ImageError("there is no picture; name one or several, or a video with --video")
    if _is_recorded(args):
        return _open_run(args, model)
    conversation_flags.check_question(args)
    run = model.explainer.record(
        args.images or None,
        args.prompt,
        video=args.video,
        on_token=lambda text: print(text, end="", flush=True),
        on_progress=_print_layers,
        layers=args.layers,
        scales=_collect_scales(settings),
        system=args.system,
        history=conversation_flags.read_history(args.history),
        **conversation_flags.read_decoding(args),
        **({} if args.ask else conversation_flags.read_last(args)),
    )
    print()
    for note in run.settings.get("image_notes", ()):
        print(f"note on the picture: {note}")
    return conversation_flags.ask_further(model.explainer, run, args), None


def _open_run(args: argparse.Namespace, model: _LazyModel) -> tuple[Run, Run]:
    """Read the run of a file and add to it; return the new run, and the one in the file."""
    for name, default in RECORDING.items():
        if getattr(args, name) != default and not (
            args.ask and name in conversation_flags.DECODING
        ):
            raise RunError(
                f"{args.images[0]} is already recorded, so --{name.replace('_', '-')} would change "
                "nothing; leave it out, or name the picture to record it again"
            )
    run = before = Run.load(args.images[0])
    if args.ask:
        return conversation_flags.ask_further(model.explainer, run, args), before
    if args.answer is not None:
        run = model.explainer.teacher_force(run, args.answer)
    if args.evidence:
        run = model.explainer.add_evidence(run, args.evidence)
    if args.sources:
        run = model.explainer.add_sources(run)
    return run, before


def _print_layers(step: Step) -> None:
    """Print what a long answer and further layers take of the memory, before they are recorded."""
    if step.kind == "long":
        print(f"an answer of {step.total:,} tokens takes {step.text}")
    if step.kind == "layers":
        print(f"{step.done} further layer{' is' if step.done == 1 else 's are'} kept, {step.text}")


class _RunFile:
    """The file of the run, written again whenever the run has grown.

    Args:
        stem: folder and start of the names of all files.
        saved: the run as it is on disk, or None.
    """

    def __init__(self, stem: Path, saved: Run | None) -> None:
        self.stem = stem
        self._file = stem.with_name(file_name(stem.name, "npz"))
        self._saved = saved
        self._is_written = False

    def keep(self, run: Run, always: bool = False) -> None:
        """Write the run if it has grown, or with `always` unless it was written here already."""
        if run is self._saved and not (always and not self._is_written):
            return
        run.save(self._file)
        if not self._is_written:
            print(f"wrote {self._file}")
        self._saved, self._is_written = run, True


def _add_comparison_maps(
    run: Run, model: _LazyModel, subjects: Sequence[Subject], chosen: Sequence[Chosen]
) -> Iterator[Run]:
    """Yield the run, and then the run with the maps of each method that needs the model."""
    yield run
    words = [word for subject in subjects for word in words_of(subject)]
    tokens = [token for word in words if isinstance(word, Span) for token in word.tokens]
    for method, settings in ((c.method, c.settings) for c in chosen):
        if not isinstance(method, Comparison):
            continue
        if method.notice:
            print(f"note on {method.label}: {method.notice}")
        if tokens and method.lacks(run, tokens, settings):
            show = partial(_print_map_progress, method.label)
            run = model.explainer.attribute(run, tokens, method.name, on_progress=show, **settings)
            yield run


def _print_map_progress(label: str, step: Step) -> None:
    """Print that a map of a word is computed, and how many there are."""
    if step.kind == "reading" and step.done == step.total:
        print(f"{label}: {step.text!r} after {step.total} readings of the picture", flush=True)
    if step.kind == "map":
        print(f"{label}: map {step.done} of {step.total}, {step.text!r}", flush=True)


def _stem(args: argparse.Namespace) -> Path:
    """Return the folder and the start of the names of all files.

    A file of another run is not overwritten without `--overwrite`.
    """
    source = Path(args.video or args.images[0])
    stem, own = source.stem, source if _is_recorded(args) else None
    if (args.ask or args.answer is not None) and own is not None:
        stem, own = f"{stem}-{'asked' if args.ask else 'edited'}", None
    free = stem if args.overwrite else free_stem(args.out, stem, "npz", own)
    if free != stem:
        print(
            f"note: {args.out} has a run {stem}.npz, so this one is called {free}.npz; "
            "--overwrite replaces the first"
        )
    return args.out / free


def _is_recorded(args: argparse.Namespace) -> bool:
    """Return whether the one file named is a recorded run."""
    recorded = [name for name in args.images if name.lower().endswith(".npz")]
    if recorded and (len(args.images) > 1 or args.video):
        raise ImageError(f"{recorded[0]} is a recorded run; explain it on its own")
    return bool(recorded)


def _collect_scales(settings: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """Return the usual scales and those in the knobs of the chosen methods."""
    wanted = set(_SCALES)
    for values in settings.values():
        wanted.update(values.get("scales", ()))
        wanted.update([values["alpha"]] if "alpha" in values else [])
    return sorted(wanted)


def _list_tokens(run: Run) -> None:
    """Print all tokens with index, role, probability, reliance, and what they rest on."""
    head = "" if run.evidence is None else f"  {'picture':>7}"
    head += "" if run.sources is None else f"  {'/'.join(SOURCES)}"
    print(f"\n{'token':>5}  {'role':<14}  {'prob':>6}{head}  text")
    for i, text in enumerate(run.tokens.texts):
        chance = "" if np.isnan(run.probs[i]) else f"{run.probs[i]:6.1%}"
        measured = reliance(run, [i])
        rests = f"  {measured.delta:7.1%}" if measured else ""
        shares = (found := word_sources(run, [i])) and found.shares
        rests += "  " + "/".join(f"{part:.0%}" for part in shares.values()) if shares else ""
        role = ROLE_NAMES[run.tokens.roles[i]]
        print(f"{i:>5}  {role:<14}  {chance:>6}{rests:<{len(head)}}  {text!r}")
    print(describe_sources(run))


# Writing -----------------------------------------------------------------------------------------


def _write(exhibit: Exhibit, form: Format, stem: Path) -> None:
    """Write a file for each word, or one for all, depending on the format.

    Args:
        stem: folder and start of the names.
    """
    methods = "-".join(chosen.method.name for chosen in exhibit.chosen)
    files = {}
    if form.scope == WORD:
        for subject in exhibit.subjects:
            word = f"{tokens_of(subject)[0]:03d}_{_slug(title(exhibit.run, subject))}"
            files[f"{stem.name}_{word}_{methods}"] = replace(exhibit, subjects=(subject,))
    elif form.scope == WHOLE:
        files[f"{stem.name}_{methods}"] = exhibit
    for name, shown in files.items():
        path = stem.with_name(file_name(name, form.name))
        data = form.make(shown)
        write_bytes(path, data)
        print(f"wrote {path}")


def _draw_parts(run: Run, settings: Mapping[str, Mapping[str, Any]], stem: Path) -> None:
    """Write each picture with the borders of EAGLE's parts."""
    if "eagle" not in settings:
        raise MethodError("--draw-parts draws the parts of EAGLE; add --methods eagle")
    names = ("regions", "fill", "parts")
    tiling = Tiling.of(run, **{name: settings["eagle"][name] for name in names})
    for i, (image, labels) in enumerate(zip(run.images, tiling.labels, strict=True)):
        ending = "parts" if len(run.images) == 1 else f"parts-{i + 1}"
        path = stem.with_name(file_name(f"{stem.name}_{ending}", "png"))
        data = png(outlined(image, labels))
        write_bytes(path, data)
        print(f"wrote {path}, {len(np.unique(labels[labels >= 0]))} parts")


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text).strip("-_").lower()[:40] or "token"
