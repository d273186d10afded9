"""The resolver of modules: order, scope, what it refuses, and the scripts that it makes."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import partial

import pytest

from explainer.ui import components
from explainer.ui.sections import FOLDERS
from explainer.web.scripts import (
    compact_style,
    file_script,
    fold_scripts,
    page_script,
    resolve,
)

NODE = shutil.which("node")
MAIN = """
const own = 'main';
later().then(value => console.log(own, plus(one, 2), new Box(own).own, value));
"""
SUMS = """// Sums.
export const one = 1;

export function add(a, b) {
  return a + b;
}
"""
BOX = """import {one} from './sums.js';

const own = 'box';

export class Box {
  constructor(name) { this.own = `${own} of ${name}`; }
}

/** @type {number} */
export const two = one + /** @type {number} */ (one);

/**
 * Wait.
 * @returns {Promise<number>}
 */
export async function later() { return two; }
"""
MODULES = {
    "main.js": "import {one, add as plus} from './sums.js';\n"
    "import {\n  Box,\n  later,\n} from './box.js';\n" + MAIN,
    "sums.js": SUMS,
    "box.js": BOX,
    "unused.js": "export const unused = 'nobody imports this';\n",
}


def test_each_module_is_there_once_after_those_that_it_imports():
    order = re.findall(r"\['([\w-]+\.js)'\]\?\?=", resolve("main.js", MODULES))
    assert order == ["sums.js", "box.js", "main.js"]


def test_comments_and_indentation_are_left_out():
    code = resolve("main.js", MODULES)
    assert "Sums." not in code
    assert "@returns" not in code
    assert not re.search(r"^\s", code, re.M)


def test_spaces_are_left_out_where_they_mean_nothing():
    lines = {
        "const a = 'x = y', b = {c: 1};  // why": "const a='x = y',b={c:1};",
        "f(`a = ${b}`, 4 / 2);": "f(`a = ${b}`,4 / 2);",
        "g(`a ${b ? `, ${c}` : ''}`, 1);": "g(`a ${b ? `, ${c}` : ''}`, 1);",
        "h(/a, b/, 1);": "h(/a, b/, 1);",
        "i(/** @type {{a: number}} */ (j), 1);": "i((j),1);",
    }
    code = resolve("main.js", {"main.js": "\n".join(lines) + "\n"})
    assert "\n".join(lines.values()) in code


@pytest.mark.parametrize(
    ("style", "short"),
    [
        (
            "/* why */\n.a, .b > .c { color: red; margin: 0 2px }\n",
            ".a,.b>.c{color:red;margin:0 2px}",
        ),
        (
            '.a :is(.b)::after { content: " ; { "; width: calc(1px + 2px); }',
            '.a :is(.b)::after{content:" ; { ";width:calc(1px + 2px)}',
        ),
        (
            "@media (max-width: 9px) and (pointer: coarse) {\n  .a { b: c; }\n}",
            "@media (max-width:9px) and (pointer:coarse){.a{b:c}}",
        ),
    ],
)
def test_styles_are_sent_without_comments_and_spare_spaces(style, short):
    assert compact_style(style) == short


@pytest.mark.skipif(NODE is None, reason="no node here")
def test_the_script_does_what_the_modules_do(tmp_path):
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "resolved.cjs").write_text(resolve("main.js", MODULES))
    native, resolved = (
        subprocess.run([NODE, tmp_path / name], capture_output=True, text=True, check=True).stdout
        for name in ("main.js", "resolved.cjs")
    )
    assert native == resolved == "main 3 box of main 2\n"


@pytest.mark.parametrize(
    ("modules", "why"),
    [
        ({}, "there is no module main.js"),
        ({"main.js": "import {a} from './a.js';\n"}, "there is no module a.js"),
        ({"main.js": "import {b} from './a.js';\n", "a.js": "export const a = 1;\n"}, "imports b"),
        (
            {
                "main.js": "import {a} from './a.js';\n",
                "a.js": "import {b} from './b.js';\nexport const a = 1;\n",
                "b.js": "import {a} from './a.js';\nexport const b = 1;\n",
            },
            r"import each other: (a\.js -> b\.js -> a|b\.js -> a\.js -> b)\.js",
        ),
        ({"main.js": "export let a = 1;\n"}, "not supported: export let a"),
        ({"main.js": "export default 1;\n"}, "not supported: export default"),
        ({"main.js": "import * as a from './a.js';\n"}, "not supported: import"),
        ({"main.js": "import a from './a.js';\n"}, "not supported: import"),
        ({"main.js": "  import {a} from './a.js';\n"}, "not supported: import"),
        ({"main.js": "const a = `\n  b`;\n"}, "a text goes over several lines"),
        ({"main.js": "const a = '</SCRIPT>';\n"}, "would end the script"),
        ({"main.js": "const a = '<!--';\n"}, "would end the script"),
    ],
)
def test_what_the_resolver_does_not_know_is_refused(modules, why):
    with pytest.raises(ValueError, match=why):
        resolve("main.js", modules)


@pytest.mark.skipif(NODE is None, reason="no node here")
@pytest.mark.parametrize("script", [partial(page_script, FOLDERS), file_script])
def test_the_scripts_of_the_pages_parse(script):
    done = subprocess.run([NODE, "--check", "-"], input=script(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_component_names_a_part_of_the_page_and_the_events_that_it_fires():
    script = page_script(FOLDERS)
    parts = re.findall(r"const (?:PARTS|SECTIONS|FOLDS) ?= ?\{(.*?)\};", script, re.S)
    for component in components.Drawn.__subclasses__():
        assert component.MODULE in re.findall(r"\w+", " ".join(parts))
        made = component.__new__(component)
        script = component._mount(made)
        assert script.startswith(f"document.sightline.mount('{component.MODULE}', ")
        assert all(f"'{event}'" in script for event in component.TRIGGERS)


def test_scripts_of_folds_hold_what_the_page_lacks():
    def modules(script):
        return {*re.findall(r"\['([\w-]+\.js)'\]\?\?=", script)}

    page, folds = page_script(FOLDERS), fold_scripts(FOLDERS)
    assert {name for name, _ in folds.values()} >= {"hiding", "map_test", "step_by_step"}
    for address, (name, script) in folds.items():
        assert re.search(rf"\b{name}:\s*'{re.escape(address)}'", page)
        assert f"{name}.js" in modules(script)
        assert not modules(script) & modules(page)
        needed = {*re.findall(r"\$modules\['([\w-]+\.js)'\];", script)}
        assert needed <= modules(script) | modules(page)


def test_two_modules_of_one_name_are_refused(tmp_path):
    (tmp_path / "view.js").write_text("export const a = 1;\n")
    with pytest.raises(ValueError, match=r"two modules view\.js"):
        page_script((tmp_path,))
