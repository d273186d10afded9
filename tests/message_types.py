"""Write the types that the page's scripts are checked with: `python -m tests.message_types`.

`messages.d.ts` has the messages between page and server, `words.d.ts` the words that scripts get,
`methods/knobs.d.ts` the knobs of the methods that the page computes.
"""

from __future__ import annotations

import inspect
import runpy
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from explainer.methods import METHODS
from explainer.web import calls, messages, page_messages, texts
from explainer.web.calls import PageCall, TypeName
from explainer.web.messages import Sent
from tests.house import PACKAGE

SCRIPTS = PACKAGE / "web" / "js"
SECTIONS = PACKAGE / "ui" / "sections"
WORDS = [PACKAGE / "web" / f"{name}.py" for name in ("file_words", "step_words", "words_beside")]
_WRITTEN = "// `python -m tests.message_types` writes them.\n"
_SCALARS = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    Any: "unknown",
}
_BASES = (PageCall, Sent)
_KNOBS: dict[str, list[str]] = {"choice": [], "scales": ["number[]"], "weights": ["number[]"]}


def type_files() -> dict[Path, str]:
    """Return the files of types, and the text of each."""
    return {
        SCRIPTS / "messages.d.ts": "// Types of the messages between page and server, from calls.py"
        f", messages.py and\n// page_messages.py of explainer/web.\n{_WRITTEN}"
        + "".join(map(_message_interface, _models())),
        SCRIPTS / "words.d.ts": f"// Types of the words that scripts get, from Python.\n{_WRITTEN}"
        + "".join(f"\ninterface {name} {_words(words)}\n" for name, words in _script_words()),
        SCRIPTS / "methods" / "knobs.d.ts": f"// The knobs of the methods, from Python.\n{_WRITTEN}"
        f"\n/** Values of knobs by name. */\ninterface KnobValues {{\n{_knobs()}}}\n",
    }


# Messages ----------------------------------------------------------------------------------------


def _models() -> list[type[BaseModel]]:
    return [
        model
        for module in (calls, messages, page_messages)
        for name, model in vars(module).items()
        if inspect.isclass(model)
        and issubclass(model, BaseModel)
        and model.__module__ == module.__name__
        and model not in _BASES
        and not name.startswith("_")
    ]


def _message_interface(model: type[BaseModel]) -> str:
    parent = model.__bases__[0]
    extends = f" extends {parent.__name__}" if parent not in _BASES else ""
    about = " ".join((model.__doc__ or "").split())
    own = {n: f for n, f in model.model_fields.items() if n not in parent.model_fields}
    fields = "".join(f"  {name}{_optional(f)}: {_field_type(f)};\n" for name, f in own.items())
    return f"\n/** {about} */\ninterface {model.__name__}{extends} {{\n{fields}}}\n"


def _optional(field: FieldInfo) -> str:
    return "" if field.is_required() else "?"


def _field_type(field: FieldInfo) -> str:
    """Return the type of a field; one that may be left out is never null, unless a name says so."""
    names = [item for item in field.metadata if isinstance(item, TypeName)]
    told = _typescript(names[-1] if names else field.annotation)
    return told if names or field.is_required() else told.removesuffix(" | null")


def _typescript(hint: Any) -> str:
    """Return an annotation as TypeScript; `TypeError` for one that it knows no type for."""
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, TypeName):
        return hint.name
    if origin is None and hint in _SCALARS:
        return _SCALARS[hint]
    if origin is Annotated:
        names = [item for item in args[1:] if isinstance(item, TypeName)]
        return _typescript(names[-1] if names else args[0])
    if origin is Literal:
        return " | ".join(map(_literal, args))
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(map(_typescript, args)))
    if origin is list:
        entry = _typescript(args[0])
        return f"({entry})[]" if " | " in entry and entry[0] != "[" else f"{entry}[]"
    if origin is dict:
        return f"Record<{_typescript(args[0])}, {_typescript(args[1])}>"
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return hint.__name__
    raise TypeError(f"no TypeScript type for {hint}")


def _literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


# Words -------------------------------------------------------------------------------------------


def _script_words() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the words that are declared as `ScriptWords`, with the name of their type."""
    yield from _declared("", vars(texts))
    for path in WORDS:
        yield from _declared(path.stem.removesuffix("_words"), runpy.run_path(str(path)))
    for path in sorted(SECTIONS.glob("*/words.py")):
        yield from _declared(path.parent.name, runpy.run_path(str(path)))


def _declared(section: str, module: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for name, kind in module.get("__annotations__", {}).items():
        if kind.endswith("ScriptWords"):
            of = "" if name in ("FOLD", section.upper()) else name.removesuffix("_WORDS")
            parts = f"{section}_{of}_words".split("_")
            yield "".join(part.capitalize() for part in parts), module[name]


def _words(value: Any) -> str:
    """Return the type of words; keys are quoted where they are no names."""
    if isinstance(value, Mapping):
        keys = ((name if name.isidentifier() else f"'{name}'", v) for name, v in value.items())
        return f"{{{', '.join(f'{name}: {_words(v)}' for name, v in keys)}}}"
    if isinstance(value, (list, tuple)) and not all(isinstance(entry, str) for entry in value):
        entries = dict.fromkeys(f"[{', '.join(map(_words, entry))}]" for entry in value)
        return f"({' | '.join(entries)})[]"
    return {str: "string", int: "number", float: "number"}.get(type(value), "string[]")


# Knobs -------------------------------------------------------------------------------------------


def _knobs() -> str:
    """Return a field for each knob; of those that methods share, any of their values."""
    fields: dict[str, dict[str, None]] = {}
    for method in METHODS.values():
        for knob in method.knobs:
            told = _KNOBS.get(knob.kind, ["number"])
            told = [*told, *map(_literal, knob.choices), *["null"] * (knob.default is None)]
            fields.setdefault(knob.name, {}).update(dict.fromkeys(told))
    return "".join(f"  {name}: {' | '.join(told)};\n" for name, told in fields.items())


if __name__ == "__main__":
    for path, text in type_files().items():
        path.write_text(text, encoding="utf-8")
