"""Measure the structure of the package: `python -m tests.house` prints the table.

Imports are read from the source, wherever in a file they stand, so that none is hidden inside a
function or behind `TYPE_CHECKING`. tests/test_house_rules.py holds the figures against the rules of
docs/architecture.md.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "explainer"

# From the bottom to the top: a folder imports from itself and from those before it.
FLOORS = (
    "errors",
    "run",
    "media",
    "methods",
    "probing",
    "models",
    "attribution",
    "recording",
    "export",
    "serving",
    "web",
    "emoji_world",
    "evaluation",
    "ui",
    "commands",
)

Graph = Mapping[str, frozenset[str]]


@cache
def modules() -> dict[str, Path]:
    """Return the modules of the package by dotted name; a package is named like its folder."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> dict[str, frozenset[str]]:
    """Return the modules of the package that each module imports."""
    return {name: frozenset(_imported(path)) - {name} for name, path in modules().items()}


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of the syntax tree of a file; the first is the module."""
    return tuple(ast.walk(ast.parse(path.read_text("utf-8"))))


def _imported(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in modules())
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module in modules():
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = inside & modules().keys()
            yield from submodules
            if len(submodules) < len(inside):
                yield node.module


def cycles(graph: Graph) -> list[list[str]]:
    """Return the groups of modules that import each other in a circle."""
    return [sorted(group) for group in _strongly_connected(graph) if len(group) > 1]


def folder_imports() -> dict[str, frozenset[str]]:
    """Return the folders, and modules at the top, that each of them imports."""
    graph: dict[str, set[str]] = {}
    for name, targets in imports().items():
        home = _home(name)
        graph.setdefault(home, set()).update(_home(t) for t in targets)
    return {home: frozenset(targets - {home}) for home, targets in graph.items()}


def _home(name: str) -> str:
    """Return the folder of a module directly below the package, or the module itself."""
    return ".".join(name.split(".")[:2])


def depth(graph: Graph) -> int:
    """Return how many nodes the longest chain of imports has; a cycle counts as one."""
    home = {name: i for i, group in enumerate(_strongly_connected(graph)) for name in group}
    below: dict[int, set[int]] = {i: set() for i in home.values()}
    for name, targets in graph.items():
        below[home[name]] |= {home[t] for t in targets} - {home[name]}

    @cache
    def height(group: int) -> int:
        return 1 + max(map(height, below[group]), default=0)

    return max(map(height, below), default=0)


def _strongly_connected(graph: Graph) -> list[set[str]]:
    """Return the strongly connected components (Kosaraju)."""
    order: list[str] = []
    _visit(graph, graph, order)
    reverse: dict[str, set[str]] = {name: set() for name in graph}
    for name, targets in graph.items():
        for target in targets:
            reverse[target].add(name)
    groups: list[set[str]] = []
    seen: set[str] = set()
    for name in reversed(order):
        if name not in seen:
            group: list[str] = []
            _visit(reverse, [name], group, seen)
            groups.append(set(group))
    return groups


def _visit(
    graph: Mapping[str, Iterable[str]],
    starts: Iterable[str],
    order: list[str],
    seen: set[str] | None = None,
) -> None:
    """Append what can be reached from `starts` to `order`, each module after what it imports."""
    seen = set() if seen is None else seen
    for start in starts:
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(graph[start]))]
        while stack:
            _, rest = stack[-1]
            follower = next((n for n in rest if n not in seen), None)
            if follower is None:
                order.append(stack.pop()[0])
            else:
                seen.add(follower)
                stack.append((follower, iter(graph[follower])))


def upward() -> list[str]:
    """Return the imports that go from a folder to one above it."""
    return [
        f"{name} -> {target}"
        for name, targets in imports().items()
        for target in sorted(targets)
        if _floor(name) is not None and _floor(target) is not None and _floor(target) > _floor(name)  # type: ignore[operator]
    ]


def _floor(name: str) -> int | None:
    """Return the floor of a module; None for the package itself and its entry point."""
    folder = name.split(".")[1] if "." in name else ""
    return FLOORS.index(folder) if folder in FLOORS else None


def folders() -> list[str]:
    """Return the folders directly below the package."""
    return sorted(p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists())


def top_modules() -> list[str]:
    """Return the modules directly in the package, besides its `__init__` and `__main__`."""
    return sorted(p.stem for p in PACKAGE.glob("*.py") if not p.stem.startswith("__"))


def repeated_classes() -> list[str]:
    """Return the public class names that stand in more than one module."""
    count: Counter[str] = Counter()
    for path in modules().values():
        body = nodes(path)[0].body
        count.update(n.name for n in body if isinstance(n, ast.ClassDef) and n.name[0] != "_")
    return sorted(name for name, times in count.items() if times > 1)


def page_config() -> Any:
    """Return the answer of `/config` for the page of `python app.py`, with a model in place of
    which nothing is loaded."""
    import httpx

    from explainer.run.store import RunStore
    from explainer.serving.no_models import NoModels
    from explainer.ui.gallery import load_gallery
    from explainer.ui.layout import build_demo, launch_options, load_examples

    assets = ROOT / "assets"
    examples, gallery = load_examples(assets / "examples"), load_gallery(assets / "gallery")
    demo = build_demo(NoModels(), RunStore(), examples=examples, gallery=gallery)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    try:
        return httpx.get(f"{url}config", timeout=60)
    finally:
        demo.close(verbose=False)


@cache
def page_payload() -> dict[str, int]:
    """Return the bytes of `/config`, which is all that a browser gets of the page besides Gradio
    itself and the thumbnails, before compression; of that the scripts, the styles, and thumbnails
    that are not sent by their addresses."""
    config = page_config()
    scripts = [part["props"].get("js_on_load") or "" for part in config.json()["components"]]
    return {
        "all": len(config.content),
        "scripts": len("".join([config.json()["head"], *scripts]).encode()),
        "styles": len(config.json()["css"].encode()),
        "thumbnails": sum(map(len, re.findall(r"data:image/[^\"]+", config.text))),
    }


def main() -> None:
    """Print the figures."""
    graph = imports()
    rows: dict[str, object] = {
        "import depth, folders": depth(folder_imports()),
        "import depth, modules": depth(graph),
        "cycles": len(cycles(graph)),
        "upward imports": len(upward()),
        "class names twice": len(repeated_classes()),
        "folders": len(folders()),
        "modules at the top": len(top_modules()),
        **{
            f"page payload, {part}": f"{size / 1e3:.0f} kB" for part, size in page_payload().items()
        },
    }
    for name, value in rows.items():
        print(f"{name:26} {value}")
    for title, found in (
        ("cycles", [" ".join(group) for group in cycles(graph)]),
        ("upward imports", upward()),
        ("class names twice", repeated_classes()),
    ):
        for line in found:
            print(f"{title}: {line}")


if __name__ == "__main__":
    main()
