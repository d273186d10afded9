"""The rules of the house, read off the source: who may import what, and what never appears.

Each rule is one test over all files, which lists every place that breaks it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import house

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "explainer").rglob("*.py"), *ROOT.glob("*.py")])
WEB = sorted(p for p in (ROOT / "explainer").rglob("*") if p.suffix in {".js", ".css", ".html"})
TORCH = {"torch", "transformers"}


def _tree(path: Path) -> ast.Module:
    return house.nodes(path)[0]


def _imports(path: Path) -> set[str]:
    """Return the top-level package of every import, wherever in the file it stands."""
    names = set()
    for node in house.nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def _own_imports(path: Path) -> set[str]:
    """Return the modules of this package that a file imports, wherever in it."""
    return {
        node.module
        for node in house.nodes(path)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("explainer")
    }


def _inside(path: Path, *places: str) -> bool:
    name = _label(path)
    return any(name == place or name.startswith(place + "/") for place in places)


def _files(*places: str) -> list[Path]:
    return [p for p in SOURCES if _inside(p, *places)]


def _label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _importers(paths: Iterable[Path], packages: set[str]) -> list[str]:
    """List the files that import one of these packages, with what they import."""
    return [f"{_label(p)}: {name}" for p in paths for name in sorted(packages & _imports(p))]


def _matches(paths: Iterable[Path], pattern: str) -> list[str]:
    """List the places where a pattern matches."""
    texts = {_label(path): path.read_text("utf-8") for path in paths}
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name, text in texts.items()
        for match in re.finditer(pattern, text)
    ]


def test_there_is_something_to_check():
    assert len(SOURCES) > 100
    assert len(WEB) > 10


def test_only_the_page_imports_gradio():
    others = [p for p in SOURCES if not _inside(p, "app.py", "explainer/ui")]
    assert others
    assert _importers(others, {"gradio", "gradio_client", "spaces"}) == []


LIGHT = (
    "explainer/ui",
    "explainer/methods",
    "explainer/run",
    "explainer/errors.py",
    "explainer/export",
    "explainer/media/images",
    "explainer/media/lane.py",
    "explainer/media/fills.py",
    "explainer/probing",
    "explainer/waiting.py",
    "explainer/__main__.py",
)


def test_what_works_on_records_imports_no_torch():
    assert [place for place in LIGHT if not _files(place)] == []
    assert _importers(_files(*LIGHT), TORCH) == []


def test_methods_know_neither_models_nor_pages():
    heavy = (
        "explainer.recording.explainer",
        "explainer.models.engine",
        "explainer.models",
        "explainer.ui",
    )
    paths = _files("explainer/methods", "explainer/run/geometry.py")
    assert paths
    assert [
        f"{_label(p)}: {m}" for p in paths for m in sorted(_own_imports(p)) if m.startswith(heavy)
    ] == []


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _runs_foreign_code(node: ast.AST) -> bool:
    """Whether a node lets code out of a file or from the hub run."""
    if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle"):
        return not _is_false(node.value)
    if isinstance(node, ast.Dict):
        return any(
            isinstance(key, ast.Constant)
            and key.value == "trust_remote_code"
            and not _is_false(value)
            for key, value in zip(node.keys, node.values, strict=True)
        )
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
        given = {k.arg: ast.unparse(k.value) for k in node.keywords}
        return given.get("weights_only") != "True"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("eval", "exec", "compile")
    return False


def test_no_foreign_code_is_ever_run():
    assert [
        f"{_label(path)}:{getattr(node, 'lineno', '?')}: {ast.unparse(node)}"
        for path in SOURCES
        for node in house.nodes(path)
        if _runs_foreign_code(node)
    ] == []
    assert _importers(SOURCES, {"pickle", "dill", "joblib", "marshal", "shelve"}) == []


@pytest.mark.parametrize(
    "code",
    [
        "f(trust_remote_code=True)",
        "f(allow_pickle=flag)",
        "{'trust_remote_code': 1}",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "eval('1')",
        "exec(code)",
    ],
)
def test_the_rule_against_foreign_code_sees(code):
    assert any(map(_runs_foreign_code, ast.walk(ast.parse(code))))


def test_every_module_says_what_it_is_for():
    trees = {_label(path): _tree(path) for path in SOURCES}
    assert [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def test_the_page_never_writes_markup_from_text():
    markup = r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b"
    assert _matches(WEB, markup) == []


# Where scripts say something to people: a literal with a word in it belongs into texts.py.
_SAID = re.compile(
    r"""(?:make\('\w+', '[^']*', |'aria-label', |\.(?:textContent|title|placeholder|alt) = """
    r"""|(?:label|title): |new Option\()('[^'\n]*'|`[^`\n]*`)"""
)


def test_what_scripts_say_comes_from_the_texts():
    said = [
        (_label(path), re.sub(r"\$\{[^}]*\}", "", text))
        for path in WEB
        if path.suffix == ".js"
        for text in _SAID.findall(path.read_text("utf-8"))
    ]
    assert [place for place in said if re.search(r"[A-Za-z]{2}", place[1])] == []


def test_the_page_fetches_nothing_from_elsewhere():
    assert (
        _matches(WEB, r"(fetch|import|src|href|url)\W{0,4}(?!http://www\.w3\.org/)https?://") == []
    )
    assert _matches(WEB, r"@import|fonts\.googleapis|unpkg\.com|jsdelivr|cdnjs") == []


def test_the_space_runs_the_gradio_that_is_pinned():
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README yet")
    pinned = re.search(r"^gradio==(\S+)$", (ROOT / "requirements.txt").read_text(), re.M)
    shown = re.search(r"^sdk_version:\s*\"?([\w.]+)\"?$", readme.read_text("utf-8"), re.M)
    assert pinned
    assert shown
    assert pinned[1] == shown[1]


def test_imports_run_down_the_floors():
    assert house.upward() == []


def test_there_are_no_import_cycles():
    assert house.cycles(house.imports()) == []


def test_the_folders_and_their_imports_stay_few():
    assert set(house.folders()) <= set(house.FLOORS)
    assert len(house.folders()) <= 14
    assert house.depth(house.folder_imports()) <= 12
    assert len(house.top_modules()) <= 3


def test_no_file_is_longer_than_400_lines():
    lengths = {_label(path): path.read_text("utf-8").count("\n") for path in (*SOURCES, *WEB)}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_a_public_class_name_occurs_once():
    assert house.repeated_classes() == []


VAGUE = {"anew", "asked", "found", "given", "mine", "more", "theirs", "told"}


def _definitions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node for node in house.nodes(path) if isinstance(node, kinds)]


def test_the_first_line_of_a_docstring_can_be_read_alone():
    first = {
        f"{_label(path)}:{node.lineno}": (ast.get_docstring(node) or ".").splitlines()[0]
        for path in SOURCES
        for node in _definitions(path)
    }
    modules = {_label(p): (ast.get_docstring(_tree(p)) or ".").splitlines()[0] for p in SOURCES}
    assert [place for place, line in first.items() if line[-1] not in ".:"] == []
    assert [place for place, line in modules.items() if line[-1] not in ".:?"] == []


def test_one_place_says_which_layers_attend():
    others = [p for p in SOURCES if not _inside(p, "explainer/models/base.py")]
    tests = sorted((ROOT / "tests" / "attribution").rglob("*.py"))
    assert _matches([*others, *tests], r"hasattr\([^)]*\"self_attn\"\)") == []


def test_functions_have_names_that_say_what_they_do():
    assert [
        f"{_label(path)}: {node.name}"
        for path in SOURCES
        for node in _definitions(path)
        if node.name.strip("_") in VAGUE
    ] == []
