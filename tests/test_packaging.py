"""What surrounds the code: the README, the test command, the Dockerfile, licences, sizes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from explainer.__main__ import COMMANDS
from explainer.emoji_world.objects import THINGS
from explainer.recording.load import BUNDLED
from tests import dockerfile, screenshots
from tests.apart import forked_python
from tests.readme_figures import (
    EVIDENCE,
    MEANING,
    MEASURED,
    figures,
    headline,
    with_figures,
    with_tables,
)

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCS = "\n".join(page.read_text("utf-8") for page in PAGES)  # all that people read
TEN_MB = 10_000_000
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # of a Space


def _blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def _commands() -> list[list[str]]:
    """Return every command that the README and the pages of docs/ print, as words."""
    lines = re.sub(r"\\\n\s*", " ", "\n".join(_blocks("bash", DOCS))).splitlines()
    return [shlex.split(part) for line in lines for part in line.split(" && ")]


def _after(*start: str) -> list[list[str]]:
    """Return the arguments of the printed commands that start with these words."""
    plain = [[w for w in c if "=" not in w.split("/")[0] or w[0] == "-"] for c in _commands()]
    return [c[len(start) :] for c in plain if c[: len(start)] == list(start)]


# Requirements ------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["requirements.txt", "tests/requirements.txt"])
def test_every_requirement_is_pinned_or_has_both_bounds(file):
    lines = (ROOT / file).read_text().splitlines()
    assert lines
    assert not [s for s in lines if not re.fullmatch(r"[\w-]+(==[\d.]+|>=[\d.]+,<[\d.]+)", s)]


def test_a_space_gets_a_torch_of_zerogpu_within_the_range():
    (pinned,) = re.findall(r"^torch==(.*)$", (ROOT / "pre-requirements.txt").read_text(), re.M)
    bounds = re.search(r"^torch(.*)$", (ROOT / "requirements.txt").read_text(), re.M)[1]
    assert pinned in {"2.8.0", "2.9.1", "2.10.0", "2.11.0"}, "what ZeroGPU offers"
    assert pinned in SpecifierSet(bounds)


def test_the_readme_names_the_torch_that_is_required():
    required = re.search(r"^torch.*$", (ROOT / "requirements.txt").read_text(), re.M)[0]
    assert f'"{required}"' in README


# README ------------------------------------------------------------------------------------------


def test_the_head_of_the_readme_configures_a_space():
    head = yaml.safe_load(README.split("---\n")[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (ROOT / head["app_file"]).is_file()
    assert head["sdk"] == "gradio"
    assert head["python_version"] == "3.12.12", "the newest Python that ZeroGPU accepts"
    assert head["license"] == project["license"].lower()
    assert len(head["short_description"]) <= 60
    assert {head["colorFrom"], head["colorTo"]} <= COLOURS


def test_what_pages_link_to_is_there():
    missing = []
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
        targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", prose)
        missing += [f"{page.name}: {t}" for t in targets if not (page.parent / t).is_file()]
    assert not missing


def test_the_pictures_of_the_page_are_small_shown_and_taken_by_the_script():
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert [p.stem for p in pictures] == sorted(screenshots.PICTURES)
    assert not [p.name for p in pictures if p.stat().st_size > 150_000]
    assert not [p.name for p in pictures if f"pictures/{p.name})" not in DOCS]


def test_the_readme_leads_to_every_page():
    assert not [page.name for page in PAGES[1:] if page.name not in README]
    assert len(README) < 7000, "the rest belongs into docs/"


def test_the_files_that_pages_name_are_there():
    named = set(re.findall(r"`((?:explainer|tests|docs|assets)/[\w./-]+)`", DOCS))
    assert named
    assert not sorted(name for name in named if not (ROOT / name).exists())


def test_the_readme_prints_the_two_commands():
    assert ["tests/run"] in _after("bash")
    assert [] in _after("python", "app.py")
    assert ["-r", "requirements.txt"] in _after("pip", "install")


def test_every_printed_command_is_understood():
    found = _after("python", "-m", "explainer")
    assert {c[0] for c in found} >= {"explain", "train", "evaluate", "bench"}
    for name, *rest in found:
        assert name in COMMANDS
        parser = ArgumentParser(allow_abbrev=False)
        importlib.import_module(f"explainer.commands.{name}").add_arguments(parser)
        parser.parse_args(rest)
    app = _module(ROOT / "app.py")
    for rest in _after("python", "app.py"):
        app.parse(rest)
    for name in re.findall(r"python -m (tests\.\w+)", DOCS):
        assert importlib.util.find_spec(name)


def _module(file: Path):
    spec = importlib.util.spec_from_file_location("app_for_its_flags", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_variable_that_pages_name_is_read():
    named = set(re.findall(r"SIGHTLINE_\w+", DOCS))
    assert named
    files = [ROOT / "app.py", *(ROOT / "explainer").rglob("*.py")]
    assert named <= {name for f in files for name in re.findall(r"SIGHTLINE_\w+", f.read_text())}


def test_pages_count_the_things_that_the_model_knows():
    assert set(re.findall(r"(\d+) things", DOCS)) == {str(len(THINGS))}


def test_the_python_of_the_readme_begins_that_of_docs_python_md():
    (block,) = _blocks("python", README)
    assert _blocks("python", (ROOT / "docs/python.md").read_text("utf-8"))[0] == block


@pytest.mark.slow
@pytest.mark.skipif(not (BUNDLED / "config.json").is_file(), reason="no bundled model here")
def test_the_python_of_docs_python_md_runs_as_printed(tmp_path):
    text = (ROOT / "docs/python.md").read_text("utf-8")
    block = "\n".join(_blocks("python", text))  # each goes on where the one before ends
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    done = subprocess.run(
        [*forked_python(), "-c", block],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "fruit.npz").is_file()
    assert list(tmp_path.glob("token-*.png"))


def test_the_figures_of_the_docs_are_those_of_the_reports():
    page = MEASURED.read_text("utf-8")
    assert with_figures(page) == page, "run: python -m tests.readme_figures"


def test_figures_come_from_the_reports_as_written(tmp_path):
    assert figures(tmp_path) == "Not measured yet."
    report = {
        "recall": {"value": 0.91, "interval": [0.9, 0.92], "n": 100},
        "count": {"value": float("nan"), "interval": [float("nan")] * 2, "n": 0},
        "about": {"scenes": "held-out seeds 0 to 9", "seconds": 3},
    }
    speed = [
        {"name": "answer", "value": 1.234, "unit": "s", "bar": None},
        {"name": "maps", "value": 20.0, "unit": "ms", "bar": 100},
    ]
    folder = tmp_path / "emoji-qwen2-vl"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "bench.json").write_text(json.dumps({"figures": speed, "about": {}}))
    lines = figures(tmp_path).splitlines()
    assert f"| {MEANING['recall']} | 0.910 (0.900 to 0.920), 100 |" in lines
    assert "scenes: held-out seeds 0 to 9." in lines
    assert "| answer | 1.23 s |  |" in lines
    assert "| maps | 20.00 ms | at most 100 ms |" in lines
    assert "nan" not in figures(tmp_path)
    other = tmp_path / "another"
    other.mkdir()
    report["recall"] |= {"value": 0.5}
    report["about"] = {"scenes": "held-out seeds 0 to 4"}
    (other / "report.json").write_text(json.dumps(report))
    lines = figures(tmp_path).splitlines()
    cells = "0.910 (0.900 to 0.920), 100 | 0.500 (0.900 to 0.920), 100"
    assert f"| {MEANING['recall']} | {cells} |" in lines
    assert "* another: scenes: held-out seeds 0 to 4." in lines


def test_the_tables_of_the_evidence_are_those_of_the_reports():
    page = EVIDENCE.read_text("utf-8")
    assert with_tables(page) == page, "run: python -m tests.readme_figures"
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", page):
        assert (EVIDENCE.parent / picture).is_file()
    assert "docs/evidence.md" in README


def test_tables_come_from_the_reports_as_written(tmp_path):
    assert headline(tmp_path) == "Not measured yet."

    def figure(value: float) -> dict:
        return {"value": value, "interval": [value - 0.1, value + 0.1], "n": 7}

    row = {f: figure(0.5) for f in ("obj_iou", "func_iou", "f1_iou", "pointing")}
    part = {
        "rows": {"TAM": row, "ours": row},
        "gains": {"ours": dict.fromkeys(("obj_iou", "f1_iou"), figure(0.2))},
    }
    part |= {"why": {}, "curves": {}, "refused": {}, "samples": 9, "dropped": {}}
    about = {"command": "evaluate --table 2", "date": "today", "mode": "not shown"}
    found = {"against": "TAM", "models": {"tiny": part}, "about": about}
    (tmp_path / "tuning").mkdir()
    for name in ("table-2", "tuning/table-5"):
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    assert "| tiny: ours | 50.00 [40.00, 60.00] | 50.00" in headline(tmp_path)
    assert headline(tmp_path).endswith("tiny: 9 scenes; `evaluate --table 2`; date: today.")
    begin, end = "<!-- tuning/table-5:begin -->", "<!-- tuning/table-5:end -->"
    page = with_tables(f"before\n{begin}\nold\n{end}\nafter", tmp_path)
    assert page.startswith(f"before\n{begin}\n| method |")
    assert page.endswith(f"{end}\nafter")
    assert "+20.00 [+10.00, +30.00]" in page
    assert "old" not in page


# The test command --------------------------------------------------------------------------------

CHECKS = ["-m ruff check", "-m ruff format --check", "-m mypy"]
PYTEST = "-m pytest -n auto --dist worksteal"
TOOLS = ["bash", "cat", "dirname", "env", "grep", "id", "mktemp", "rm", "sed", "sha256sum", "tail"]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A copy of the test command beside an environment whose python only writes down its calls."""
    for folder in ("tests", "bin", "venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("tests/run", "tests/requirements.txt", "requirements.txt"):
        shutil.copy(ROOT / file, tmp_path / file)
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    _script(tmp_path / "bin" / "chromium", "")
    _script(tmp_path / "venv/bin/python", f'echo "$*" >> {tmp_path}/calls')
    return tmp_path


def _script(file: Path, body: str) -> None:
    file.write_text(f"#!{shutil.which('bash')}\n{body}\n")
    file.chmod(0o755)


def _run_tests(machine: Path, *arguments: str, **env: str) -> tuple[int, list[str], str]:
    """Return exit code, the calls of python that do some work, and what was said.

    The call of pytest, which begins beside the checks, is the last.
    """
    (machine / "calls").write_text("")
    env = {"PATH": str(machine / "bin"), "SIGHTLINE_VENV": str(machine / "venv")} | env
    command = [machine / "bin" / "bash", machine / "tests" / "run", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    calls = (machine / "calls").read_text().splitlines()
    calls.sort(key=lambda call: call.startswith(PYTEST))
    return done.returncode, [c for c in calls if c not in ("-V", "-m pip --version")], done.stderr


def test_the_test_command_installs_once_and_then_checks_everything(machine):
    checks = [*CHECKS, f"{PYTEST} -q -k not e2e"]
    code, calls, _ = _run_tests(machine, "-q", "-k", "not e2e")
    assert code == 0
    assert [c for c in calls if " pip " not in c] == checks
    first, second = [c.split(" install ")[1] for c in calls if " pip " in c]
    assert re.fullmatch(r"torch>=[\d.]+,<[\d.]+", first)
    assert second == "-r requirements.txt -r tests/requirements.txt"
    assert _run_tests(machine, "-q", "-k", "not e2e")[1] == checks
    with (machine / "requirements.txt").open("a") as file:
        file.write("another>=1,<2\n")
    assert len(_run_tests(machine)[1]) == 2 + len(checks)


def test_the_quick_check_names_tests_that_are_there(machine):
    _, calls, _ = _run_tests(machine, "--quick", "-x")
    assert [c for c in calls if " pip " not in c][:-1] == CHECKS
    names, _, last = calls[-1].removeprefix(PYTEST).rpartition(" ")
    assert last == "-x"
    assert len(names.split()) >= 5
    for name in names.split():
        file, *test = re.split(r"::|\[", name)
        assert (ROOT / file).exists()
        assert not test or f"def {test[0]}(" in (ROOT / file).read_text()


def test_without_chromium_the_test_command_goes_on_except_on_ci(machine):
    (machine / "bin" / "chromium").unlink()
    code, calls, said = _run_tests(machine)
    assert code == 0
    assert calls[-1] == PYTEST
    assert "browser tests are skipped" in said
    code, calls, said = _run_tests(machine, CI="true")
    assert code == 1
    assert not calls
    assert "no chromium" in said


def test_the_test_command_says_why_installing_failed_without_addresses(machine):
    script = 'case "$*" in *install*) echo "cannot reach https://a:b@host/simple"; exit 1;; esac'
    _script(machine / "venv/bin/python", script)
    code, _, said = _run_tests(machine)
    assert code != 0
    assert "cannot reach (address)" in said


@pytest.mark.parametrize("check", CHECKS)
def test_the_test_command_fails_with_each_check(machine, check):
    _script(machine / "venv/bin/python", f'test "$*" != "{check}"')
    assert _run_tests(machine)[0] == 1


def test_no_test_runs_unless_the_checks_have_passed():
    read, write = os.pipe()
    os.close(write)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "tests/test_correction.py"],
        cwd=ROOT,
        env=os.environ | {"SIGHTLINE_CHECKS": str(read)},
        pass_fds=[read],
        capture_output=True,
        text=True,
    )
    os.close(read)
    assert done.returncode == 1
    assert "a check did not pass" in done.stdout + done.stderr


def test_ci_runs_the_test_command():
    assert "exec bash tests/run" in (ROOT / ".ci" / "run").read_text()


# Dockerfile --------------------------------------------------------------------------------------


def _docker(word: str) -> list[str]:
    return [s.rest for s in dockerfile.steps() if s.word == word]


def test_the_image_runs_the_app_as_user_1000():
    words = [s.word for s in dockerfile.steps()]
    env = dockerfile.environment(dockerfile.steps())
    assert "--uid 1000 user" in _docker("RUN")[0]
    assert _docker("USER") == ["user"]
    assert max(words.index("USER"), words.index("ENV"), words.index("WORKDIR")) < words.index(
        "COPY"
    )
    assert all("--chown=user" in rest for rest in _docker("COPY"))
    assert env["HOME"] == "/home/user"
    assert env["HF_HOME"].startswith(env["HOME"])
    assert _docker("WORKDIR") == [f"{env['HOME']}/app"]
    assert not [rest for rest in _docker("RUN") if "chown -R" in rest]


def test_the_image_listens_where_spaces_look_and_can_be_asked():
    env = dockerfile.environment(dockerfile.steps())
    assert (env["GRADIO_SERVER_NAME"], env["GRADIO_SERVER_PORT"]) == ("0.0.0.0", "7860")
    assert _docker("EXPOSE") == ["7860"]
    (health,) = _docker("HEALTHCHECK")
    python, flag, code = json.loads(health.split("CMD", 1)[1])
    assert (python, flag) == ("python", "-c")
    compile(code, "healthcheck", "exec")
    assert ":7860/healthz" in code
    assert json.loads(_docker("CMD")[0]) == ["python", "app.py"]


def test_each_profile_of_compose_starts_apps_of_this_image():
    told = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = told["services"]
    used = {c[c.index("--profile") + 1] for c in _commands() if c[:2] == ["docker", "compose"]}
    assert used == {p for s in services.values() for p in s["profiles"]}
    read = set(re.findall(r"SIGHTLINE_\w+", (ROOT / "app.py").read_text()))
    apps = {name: s for name, s in services.items() if name not in ("proxy", "recorder")}
    for app in apps.values():
        environment = app["environment"]
        assert set(environment) - {"FORWARDED_ALLOW_IPS"} <= read
        patience = float(app["stop_grace_period"].removesuffix("s"))
        assert float(environment["SIGHTLINE_END_WITHIN"]) < patience
        assert {v.split(":")[0] for v in app["volumes"]} <= set(told["volumes"])
    arguments = {argument.partition("=")[0] for argument in _docker("ARG")}
    for service in services.values():
        assert service.get("build", ".") == "." or {*service["build"]["args"]} <= arguments
    behind = re.findall(r"^ +server ([\w-]+):7860;", (ROOT / "deploy/nginx.conf").read_text(), re.M)
    assert behind == services["proxy"]["depends_on"]
    assert all(apps[name]["profiles"] == ["proxy"] and "ports" not in apps[name] for name in behind)


def test_the_recorder_of_compose_is_the_one_that_its_page_asks():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    recorder, page = services["recorder"], services["page"]
    python, flag, package, name, *rest = recorder["command"]
    assert (python, flag, package) == ("python", "-m", "explainer")
    parser = ArgumentParser(allow_abbrev=False)
    importlib.import_module(f"explainer.commands.{name}").add_arguments(parser)
    args = parser.parse_args(rest)
    assert page["environment"]["SIGHTLINE_RECORDER"] == f"http://recorder:{args.port}"
    assert list(page["depends_on"]) == ["recorder"]
    assert f":{args.port}/model" in recorder["healthcheck"]["test"][-1]
    compile(recorder["healthcheck"]["test"][-1], "healthcheck", "exec")
    assert "ports" not in recorder, "only the page may reach it"
    lines = (ROOT / "explainer/serving/requirements.txt").read_text().splitlines()
    assert recorder["build"]["args"]["EXTRA"] == lines[-1]


def test_the_image_has_a_small_torch_and_no_caches():
    index, _ = _docker("ARG")
    assert re.fullmatch(r"TORCH_INDEX=https://\S+/cpu", index)
    installs = [part for rest in _docker("RUN") for part in rest.split("&&") if "pip " in part]
    assert len(installs) == 2
    assert all("--no-cache-dir" in part for part in installs)
    assert "$TORCH_INDEX" in installs[0]


def test_what_the_image_copies_exists_and_is_sent_to_docker():
    sent = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")
    }
    copies = [dockerfile.copied(s)[0] for s in dockerfile.steps() if s.word == "COPY"]
    sources = {source for found in copies for source in found}
    assert sent == sources
    assert not [source for source in sources if not (ROOT / source).exists()]


# Licences and sizes ------------------------------------------------------------------------------


def test_the_licences_are_there():
    text = (ROOT / "LICENSE").read_text()
    assert text.lstrip().startswith("Apache License")
    assert "END OF TERMS AND CONDITIONS" in text
    assert "Sightline maintainers" in text
    for file in ("NOTICE", "assets/emoji/LICENSE"):
        assert "Noto Color Emoji" in (ROOT / file).read_text()


def _tracked() -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    yield from (ROOT / name for name in listed.stdout.split("\0") if name)


def test_no_tracked_file_is_too_large_for_a_space():
    assert not [p.name for p in _tracked() if p.is_file() and p.stat().st_size > TEN_MB]
