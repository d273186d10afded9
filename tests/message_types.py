"""Write the types of the messages that the page gets: `python -m tests.message_types`."""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from explainer.web import messages
from explainer.web.messages import Sent, TypeName

PATH = Path(messages.__file__).parent / "js" / "messages.d.ts"
_HEAD = """// Types of the messages that the page gets. `python -m tests.message_types` writes them
// from explainer/web/messages.py.
"""
_SCALARS = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def message_types() -> str:
    """Return the text of `messages.d.ts`."""
    return _HEAD + "".join(map(_interface, _models()))


def _models() -> list[type[Sent]]:
    return [
        model
        for model in vars(messages).values()
        if inspect.isclass(model) and issubclass(model, Sent) and model is not Sent
    ]


def _interface(model: type[Sent]) -> str:
    parent = model.__bases__[0]
    extends = f" extends {parent.__name__}" if parent is not Sent else ""
    about = " ".join((model.__doc__ or "").split())
    own = {n: f for n, f in model.model_fields.items() if n not in parent.model_fields}
    fields = "".join(
        f"  {name}{_optional(f)}: {_typescript(_hint(f))};\n" for name, f in own.items()
    )
    return f"\n/** {about} */\ninterface {model.__name__}{extends} {{\n{fields}}}\n"


def _optional(field: FieldInfo) -> str:
    return "" if field.is_required() else "?"


def _hint(field: FieldInfo) -> Any:
    """Return the annotation of a field, with the name of its type if that is written by hand."""
    names = [item for item in field.metadata if isinstance(item, TypeName)]
    return names[0] if names else field.annotation


def _typescript(hint: Any) -> str:
    """Return an annotation as TypeScript; `TypeError` for one that it knows no type for."""
    origin, args = get_origin(hint), get_args(hint)
    if isinstance(hint, TypeName):
        return hint.name
    if hint in _SCALARS:
        return _SCALARS[hint]
    if origin is Annotated:
        names = [item for item in args[1:] if isinstance(item, TypeName)]
        return _typescript(names[0] if names else args[0])
    if origin is Literal:
        return " | ".join(f"'{value}'" for value in args)
    if origin in (Union, types.UnionType):
        return " | ".join(map(_typescript, args))
    if origin is list:
        return f"{_typescript(args[0])}[]"
    if origin is dict:
        return f"Record<{_typescript(args[0])}, {_typescript(args[1])}>"
    if inspect.isclass(hint) and issubclass(hint, Sent):
        return hint.__name__
    raise TypeError(f"no TypeScript type for {hint}")


if __name__ == "__main__":
    PATH.write_text(message_types(), encoding="utf-8")
