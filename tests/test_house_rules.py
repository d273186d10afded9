"""The rules of the house, read off the source: who may import what, and what never appears."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "explainer").rglob("*.py"), *ROOT.glob("*.py")])
WEB = sorted(
    p for p in (ROOT / "assets" / "web").rglob("*") if p.suffix in {".js", ".css", ".html"}
)
TORCH = {"torch", "transformers"}


def _imports(path: Path) -> Iterator[str]:
    """Yield the top-level package of every import, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _own_imports(path: Path) -> Iterator[str]:
    """Yield the modules of this package that a file imports when it is imported itself."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("explainer"):
            yield node.module


def _inside(path: Path, *places: str) -> bool:
    name = path.relative_to(ROOT).as_posix()
    return any(name == place or name.startswith(place + "/") for place in places)


def _files(*places: str) -> list[Path]:
    return [p for p in SOURCES if _inside(p, *places)]


def _label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=_label)
def test_only_the_page_imports_gradio(path):
    if not _inside(path, "app.py", "explainer/ui"):
        assert not {"gradio", "gradio_client", "spaces"} & set(_imports(path))


LIGHT = (
    "explainer/ui",
    "explainer/methods",
    "explainer/geometry.py",
    "explainer/run.py",
    "explainer/parts.py",
    "explainer/run_file.py",
    "explainer/run_checks.py",
    "explainer/archive.py",
    "explainer/errors.py",
    "explainer/export",
    "explainer/store.py",
    "explainer/subjects.py",
    "explainer/images.py",
    "explainer/fills.py",
    "explainer/otsu.py",
    "explainer/regions.py",
    "explainer/eagle.py",
    "explainer/tiling.py",
    "explainer/evidence.py",
    "explainer/whatif.py",
    "explainer/curves.py",
    "explainer/proof.py",
    "explainer/__main__.py",
)


@pytest.mark.parametrize("path", _files(*LIGHT), ids=_label)
def test_what_works_on_records_imports_no_torch(path):
    assert not TORCH & set(_imports(path))


@pytest.mark.parametrize("path", _files("explainer/methods", "explainer/geometry.py"), ids=_label)
def test_methods_know_neither_models_nor_pages(path):
    heavy = ("explainer.record", "explainer.engine", "explainer.models", "explainer.ui")
    assert not [m for m in _own_imports(path) if m.startswith(heavy)]


@pytest.mark.parametrize("path", SOURCES, ids=_label)
def test_no_foreign_code_is_ever_run(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle"):
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "trust_remote_code":
                    assert isinstance(value, ast.Constant)
                    assert value.value is False
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            assert {k.arg: ast.unparse(k.value) for k in node.keywords}.get(
                "weights_only"
            ) == "True"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile")
    assert not {"pickle", "dill", "joblib", "marshal", "shelve"} & set(_imports(path))


@pytest.mark.parametrize("path", SOURCES, ids=_label)
def test_every_module_says_what_it_is_for(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert not tree.body or ast.get_docstring(tree), "a module starts with a docstring"


@pytest.mark.parametrize("path", WEB, ids=_label)
def test_the_page_never_writes_markup_from_text(path):
    text = path.read_text("utf-8")
    assert not re.search(r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b", text)


# Where scripts say something to people: a literal with a word in it belongs into texts.py.
_SAID = re.compile(
    r"""(?:make\('\w+', '[^']*', |'aria-label', |\.(?:textContent|title|placeholder|alt) = """
    r"""|(?:label|title): |new Option\()('[^'\n]*'|`[^`\n]*`)"""
)


@pytest.mark.parametrize("path", [p for p in WEB if p.suffix == ".js"], ids=_label)
def test_what_scripts_say_comes_from_the_texts(path):
    said = [re.sub(r"\$\{[^}]*\}", "", text) for text in _SAID.findall(path.read_text("utf-8"))]
    assert not [text for text in said if re.search(r"[A-Za-z]{2}", text)]


@pytest.mark.parametrize("path", WEB, ids=_label)
def test_the_page_fetches_nothing_from_elsewhere(path):
    text = path.read_text("utf-8").replace("http://www.w3.org/", "")  # names of SVG, no address
    assert not re.search(r"(fetch|import|src|href|url)\W{0,4}https?://", text)
    assert not re.search(r"@import|fonts\.googleapis|unpkg\.com|jsdelivr|cdnjs", text)


def test_the_space_runs_the_gradio_that_is_pinned():
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README yet")
    pinned = re.search(r"^gradio==(\S+)$", (ROOT / "requirements.txt").read_text(), re.M)
    shown = re.search(r"^sdk_version:\s*\"?([\w.]+)\"?$", readme.read_text("utf-8"), re.M)
    assert pinned
    assert shown
    assert pinned[1] == shown[1]
