"""Resolve the ES modules of the page to one script, and read its styles.

The modules in `js/`, and in the folders of the page's sections, import each other like native ES
modules. Gradio takes one string, and so does a page in one file, so `resolve` sorts the modules
that an entry reaches and wraps each once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

WEB = Path(__file__).parent
PAGE = "page.js"  # the entry of the page: it mounts the parts
SECTIONS = "sections.js"  # what it mounts of the sections
SHARED_STYLES = (  # of the page, and of a run in a file of its own
    "tokens.css",
    "view.css",
    "panel.css",
    "evidence.css",
    "words_beside.css",
    "step_by_step.css",
    "stage.css",
)
STYLES = ("page.css", "models.css", *SHARED_STYLES)
LAST_STYLE = "devices.css"  # after those of the sections
COMPUTED = "computed.js"  # the entry of what computes maps, which the page loads by its address
ONE_FILE = "file.js"  # the entry of a run in a file of its own
FOLDS = "static/folds"  # where scripts of folds are served, below the address of the page

_IMPORT = re.compile(r"^import \{([^}]*)\} from '\.\.?/(?:[\w.-]+/)*([\w-]+\.js)';\n", re.M)
_EXPORT = re.compile(r"^export (?=(?:async function|function|const|class) (\w+))", re.M)
_MODULE_SYNTAX = re.compile(r"^\s*(?:import|export)\b.*", re.M)
_REGISTRY = "$modules"
_SHARED = "document.sightline.modules"  # the registry of the page, for scripts of folds
_STRING = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`)""")
_OPERATOR = re.compile(r" *([{}()\[\];,:?=<>&|*]) *")
_ADD_STYLE = (
    "document.head.append(Object.assign(document.createElement('style'), {textContent: %s}));\n"
)
_QUOTED = re.compile(r"(\"[^\"\n]*\"|'[^'\n]*')")
_SPARE = re.compile(r" ?([{};,>]) ?|(?<=:) ")


@dataclass(frozen=True)
class PagePart:
    """A part that the page and the one-file page share: its module and its constant HTML."""

    name: str
    template: str


TOKENS = PagePart("tokens", '<div class="sl-tokens" role="group"></div>')
MAPS = PagePart("view", '<div class="sl-view"></div>')
BACKDROP = PagePart("backdrop", '<div hidden class="sl-backdrop"></div>')
BESIDE = PagePart("words_beside", '<div class="sl-beside" hidden></div>')
STEPS = PagePart("step_by_step", '<details class="sl-fold sl-opened"></details>')


def resolve(entry: str, sources: Mapping[str, str] | None = None) -> str:
    """Return one script that runs an entry module after the modules that it imports, each once.

    Each module becomes a strict function that returns its exports. Supported are
    `import {a, b as c} from './name.js';` and `export` before a function, a class or a `const`.
    Modules are known by their file names, whatever folder a path names.

    Args:
        entry: file name of the module to start with.
        sources: texts of all modules by file name; by default those of `js/`.

    Raises:
        ValueError: a module is missing, does not export what is imported, imports itself in a
            circle, or uses other module syntax.
    """
    sources = _sources() if sources is None else sources
    return _join(_sort(entry, sources), sources)


def module_script(entry: str, data: Mapping[str, Any]) -> str:
    """Return one ES module that exports what an entry module exports, and data as constants.

    Args:
        entry: file name of the module in `js/`.
        data: JSON values by the names of the constants.
    """
    sources = _sources()
    names = ", ".join(_EXPORT.findall(sources[entry]))
    last = f"return {_REGISTRY}['{entry}'];\n"
    code = _join(_sort(entry, sources), sources, last=last)
    constants = "".join(
        f"export const {name} = {json.dumps(value, separators=(',', ':'))};\n"
        for name, value in data.items()
    )
    return f"export const {{{names}}} = {code}{constants}"


@cache
def page_script(folders: tuple[Path, ...]) -> str:
    """Return the script of a page, to run before its parts mount.

    Args:
        folders: of the sections; modules there that export `mount` build components. Those that
            export `unfold`, there or in `js/`, build folds once they are opened, see
            `fold_scripts`.

    Raises:
        ValueError: two modules have one name.
    """
    sources, mounts = _page_sources(folders)
    addresses = {name: address for address, (name, _) in fold_scripts(folders).items()}
    imports = "".join(f"import {{mount as {name}}} from './{name}.js';\n" for name in mounts)
    folds = ", ".join(f"{name}: '{address}'" for name, address in addresses.items())
    sources[SECTIONS] = (
        f"{imports}export const SECTIONS = {{{', '.join(mounts)}}};\n"
        f"export const FOLDS = {{{folds}}};\n"
    )
    last = f"{_SHARED} ??= {_REGISTRY};\n"  # the first, if a browser runs the script again
    return _join(_sort(PAGE, sources), sources, last=last)


@cache
def fold_scripts(folders: tuple[Path, ...]) -> dict[str, tuple[str, str]]:
    """Return the scripts of folds, {address: (name of the module, script)}.

    A fold is a module that exports `unfold`. A page loads its script when it is opened. That holds
    the modules that the script of the page lacks, and adds the styles in NAME.fold.css, which
    nothing needs before; the address tells by a hash whether it has changed. These styles are
    nested in `.gradio-container`, so that they outweigh Gradio's for all elements of a kind.
    """
    sources, mounts = _page_sources(folders)
    here = {
        name for entry in (PAGE, *(f"{m}.js" for m in mounts)) for name in _sort(entry, sources)
    }
    found = {}
    for file in (f for f, text in sources.items() if "unfold" in _EXPORT.findall(text)):
        name, order = file.removesuffix(".js"), _sort(file, sources)
        script = _join(order, sources, {*order} - here, _SHARED)
        for style in (s for s in _files(folders, "css") if s.name == f"{name}.fold.css"):
            script += _ADD_STYLE % json.dumps(_fold_style(style))
        digest = hashlib.sha256(script.encode()).hexdigest()[:12]
        found[f"{FOLDS}/{name}-{digest}.js"] = name, script
    return found


@cache
def file_script() -> str:
    """Return the script of the one-file page."""
    return resolve(ONE_FILE)


def page_style(folders: tuple[Path, ...]) -> str:
    """Return the styles of a page: its own, those of its sections, and the last ones."""
    own = [file for file in _files(folders, "css") if not file.name.endswith(".fold.css")]
    files = [*map(path, STYLES), *own, path(LAST_STYLE)]
    return compact_style("".join(file.read_text(encoding="utf-8") for file in files))


def _fold_style(file: Path) -> str:
    return compact_style(f".gradio-container {{{file.read_text(encoding='utf-8')}}}")


def compact_style(text: str) -> str:
    """Return a style without comments and without spaces that mean nothing."""
    parts = _QUOTED.split(re.sub(r"/\*.*?\*/", "", text, flags=re.S))
    parts[::2] = [
        _SPARE.sub(lambda m: m[1] or "", re.sub(r"\s+", " ", part)) for part in parts[::2]
    ]
    return "".join(parts).replace(";}", "}").strip()


def read(name: str) -> str:
    """Return the text of a script, a style or a page of this folder, by its file name."""
    return path(name).read_text(encoding="utf-8")


def path(name: str) -> Path:
    """Return where a script, a style or a page lies: `js/`, `css/`, or beside this file."""
    kind = name.rpartition(".")[2]
    return WEB / kind / name if kind in ("js", "css") else WEB / name


def _files(folders: tuple[Path, ...], kind: str = "js") -> list[Path]:
    """Return the modules, or the styles, in the folders of sections."""
    return [file for folder in folders for file in sorted(folder.glob(f"*.{kind}"))]


def _page_sources(folders: tuple[Path, ...]) -> tuple[dict[str, str], list[str]]:
    """Return the texts of all modules of a page, and the names of those that export `mount`."""
    sources = _sources()
    for file in _files(folders):
        if file.name in sources:
            raise ValueError(f"there are two modules {file.name}")
        sources[file.name] = file.read_text(encoding="utf-8")
    mounts = [f.stem for f in _files(folders) if "mount" in _EXPORT.findall(sources[f.name])]
    return sources, mounts


def _join(
    order: list[str],
    sources: Mapping[str, str],
    own: set[str] | None = None,
    registry: str = "{}",
    last: str = "",
) -> str:
    """Return one script that puts modules into a registry in this order, or only those of `own`."""
    exports = {name: _EXPORT.findall(sources[name]) for name in order}
    wrapped = "".join(
        _wrap(name, sources[name], exports) for name in order if own is None or name in own
    )
    code = f"(()=>{{\n'use strict';\nconst {_REGISTRY}={registry};\n{wrapped}{last}}})();\n"
    if "</script" in code.lower() or "<!--" in code:
        raise ValueError("a module has text that would end the script element around it")
    return code


def _sources() -> dict[str, str]:
    """Return the texts of the modules in `js/` and its folders; each has a name of its own."""
    files = sorted((WEB / "js").rglob("*.js"))
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def _sort(entry: str, sources: Mapping[str, str]) -> list[str]:
    """Return the modules that an entry reaches, each after those that it imports."""
    graph: dict[str, list[str]] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in graph:
            continue
        if name not in sources:
            raise ValueError(f"there is no module {name}")
        graph[name] = [target for target, _ in _imports(sources[name])]
        waiting += graph[name]
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ValueError(f"modules import each other: {' -> '.join(error.args[1])}") from None


def _imports(text: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the target of each import with its pairs of exported and local names."""
    for names, target in _IMPORT.findall(text):
        pairs = [re.split(r"\s+as\s+", name.strip()) for name in names.split(",") if name.strip()]
        yield target, [(pair[0], pair[-1]) for pair in pairs]


def _wrap(name: str, text: str, exports: Mapping[str, list[str]]) -> str:
    """Return a module as a function that is called once and gives its exports."""
    head = ""
    for target, pairs in _imports(text):
        for exported, _ in pairs:
            if exported not in exports[target]:
                raise ValueError(f"{name} imports {exported}, which {target} does not export")
        names = ",".join(a if a == b else f"{a}:{b}" for a, b in pairs)
        head += f"const{{{names}}}={_REGISTRY}['{target}'];\n"
    body = _compact(_EXPORT.sub("", _IMPORT.sub("", text)))
    if left := _MODULE_SYNTAX.search(body):
        raise ValueError(f"{name} uses module syntax that is not supported: {left[0].strip()}")
    given = ",".join(exports[name])
    return f"{_REGISTRY}['{name}']??=(()=>{{\n{head}{body}return{{{given}}};\n}})();\n"


def _compact(text: str) -> str:
    """Return a script without blank lines, indentation, types, and comments.

    Two spaces go before a comment at the end of a line.

    Line breaks stay, so that errors name a line one can read; texts over several lines would lose
    their indentation and are refused.
    """
    text = re.sub(r"^\s*/\*\*(?:(?!\*/).)*\*/[ ]*$", "", text, flags=re.M | re.S)
    text = re.sub(r"/\*\* @type .*? \*/ ?", "", text)
    lines = [re.sub(r"  // .*", "", line).strip() for line in text.split("\n")]
    kept = [line for line in lines if line and not line.startswith("//")]
    for line in kept:
        if line.count("`") % 2:
            raise ValueError(f"a text goes over several lines: {line}")
    return "".join(f"{_tighten(line)}\n" for line in kept)


def _tighten(line: str) -> str:
    """Return a line of a script without spaces that mean nothing.

    Lines with templates in templates stay as they are, and those with slashes that may belong to a
    regular expression.
    """
    parts = _STRING.split(line)
    code, texts = parts[::2], parts[1::2]
    nested = any(text[0] == "`" and text.count("${") != text.count("}") for text in texts)
    if nested or any("/" in part.replace(" / ", "") or "`" in part for part in code):
        return line
    parts[::2] = [_OPERATOR.sub(r"\1", part) for part in code]
    return "".join(parts)
