"""The command line, as a person uses it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainer.__main__ import main
from explainer.commands.subject_flags import find_word
from explainer.errors import TokenError
from explainer.evaluation.synthetic import synthetic_run
from explainer.methods import METHODS
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, PROMPT, Conversation, Run, Tokens, Turn
from tests import tiny
from tests.media.test_video import clip


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A gradient: figures of noise take long to compress."""
    Image.linear_gradient("L").resize((128, 96)).convert("RGB").save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A recorded run in a file, which needs no model."""
    said = _saying(["a", " red", " cat", " and", " a", " dog", "gy", "."], ["is", " it", " blue"])
    said.save(tmp_path / "run.npz")
    return tmp_path / "run.npz"


def _saying(answer: list[str], prompt: list[str]) -> Run:
    """Return a random run with these texts."""
    rng = np.random.default_rng(0)
    run = synthetic_run(rng, n_prompt=len(prompt), n_answer=len(answer), image_size=(48, 336))
    texts = list(run.tokens.texts)
    for role, words in ((PROMPT, prompt), (ANSWER, answer)):
        for i, text in zip(run.indices(role), words, strict=True):
            texts[i] = text
    tokens = run.tokens
    return replace(run, tokens=Tokens(tokens.ids, tuple(texts), tokens.roles, tokens.positions))


def _fails(capsys: pytest.CaptureFixture, *args: object) -> str:
    assert main([str(a) for a in args]) == 2
    out = capsys.readouterr()
    assert out.err.count("\n") == 1
    assert "Traceback" not in out.err
    return out.err


def test_two_pictures_and_a_video_are_asked_about(tmp_path, picture, qwen_folder, capsys):
    Image.fromarray(tiny.image(64, 64, seed=1)).save(tmp_path / "other.png")
    (tmp_path / "clip.mp4").write_bytes(clip(8))
    common = ["--prompt", "a cat", "--model", qwen_folder, "--out", tmp_path / "out"]
    common += ["--max-new-tokens", 1]
    sources = {
        "scene": [picture, tmp_path / "other.png"],
        "clip": ["--video", tmp_path / "clip.mp4"],
    }
    for stem, named in sources.items():
        assert main(["explain", *map(str, [*named, *common])]) == 0
        run = Run.load(tmp_path / "out" / f"{stem}.npz")
        assert len(run.images) == {"scene": 2, "clip": 4}[stem]
        made = next((tmp_path / "out").glob(f"{stem}_*.png"))
        width, height = Image.open(made).size
        assert width >= 480
        assert height > 150
    assert run.labels[1] == "frames 3–4, 0:00.1 to 0:00.2"


def test_a_recorded_run_stands_alone(recorded, picture, capsys):
    assert "on its own" in _fails(capsys, "explain", recorded, picture)
    assert "name one or several" in _fails(capsys, "explain")


@pytest.mark.parametrize(
    "flag",
    [
        "--prompt=Why?",
        "--layers=all",
        "--max-new-tokens=9",
        "--temperature=1",
        "--seed=3",
        "--repetition-penalty=1",
    ],
)
def test_what_only_a_recording_reads_is_refused_with_a_recorded_run(recorded, capsys, flag):
    said = _fails(capsys, "explain", recorded, flag)
    assert f"is already recorded, so {flag.split('=')[0]} would change nothing" in said


# Recording ---------------------------------------------------------------------------------------


def test_a_picture_is_explained_from_end_to_end(picture, qwen_folder, tmp_path, capsys):
    out = tmp_path / "maps"
    args = ["explain", picture, "--prompt", "what is it?", "--model", qwen_folder, "--out", out]
    assert main([*map(str, args), "--max-new-tokens", "4", "--device", "cpu"]) == 0
    text = capsys.readouterr().out
    run = Run.load(out / "scene.npz")
    assert run.prompt == "what is it?"
    assert run.alphas == (1.0, 0.5, 0.75)
    for i, token in enumerate(run.tokens.texts):
        assert re.search(
            rf"^ *{i}  (template|prompt|answer) .*{re.escape(repr(token))}$", text, re.M
        )
    pictures = sorted(out.glob("*.png"))
    assert len(pictures) == sum(c.role == ANSWER for c in run.chips)
    assert all(str(p) in text for p in pictures)


def test_scales_that_a_knob_names_are_recorded(picture, qwen_folder, tmp_path):
    out = tmp_path / "maps"
    args = ["explain", picture, "--prompt", "a", "--model", qwen_folder, "--out", out]
    args += ["--max-new-tokens", 1, "--scales", "0.6,1", "--token", 0]
    assert main([str(a) for a in args]) == 0
    assert 0.6 in Run.load(out / "scene.npz").alphas


def test_a_recorded_run_needs_no_model(recorded, tmp_path):
    code = (
        "import sys; from explainer.__main__ import main;"
        f"rc = main(['explain', {str(recorded)!r}, '--word', 'cat', '--out', {str(tmp_path)!r}]);"
        "assert not {'torch', 'transformers', 'gradio'} & set(sys.modules); sys.exit(rc)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)
    assert len(list(tmp_path.glob("run_*_cat_msea_arc.png"))) == 1


# Choosing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_a_picture(recorded, tmp_path, method):
    args = ["explain", recorded, "--word", "cat", "--methods", method, "--out", tmp_path / "o"]
    assert main([str(a) for a in args]) == 0
    (path,) = (tmp_path / "o").glob("*.png")
    assert method in path.name


def test_a_comparison_method_is_computed_with_the_model_and_kept(
    picture, qwen_folder, tmp_path, capsys
):
    model = ["--model", str(qwen_folder), "--out", str(tmp_path / "o")]
    first = ["explain", str(picture), "--prompt", "what is it?", *model, "--max-new-tokens", "3"]
    first += ["--token", "22", "--scales", "1"]
    assert main([*first, "--methods", "msea_arc,grad_cam", "--depth", "0.3"]) == 0
    run = Run.load(tmp_path / "o" / "scene.npz")
    assert {key[0] for key in run.attributions} == {"grad_cam"}
    assert "patented" not in capsys.readouterr().out
    recorded = ["explain", str(tmp_path / "o" / "scene.npz"), "--token", "22", *model]
    assert main([*recorded, "--methods", "cp_lrp"]) == 0
    assert "patented and free for personal and scientific use only" in capsys.readouterr().out
    run = Run.load(tmp_path / "o" / "scene.npz")
    assert {key[0] for key in run.attributions} == {"grad_cam", "cp_lrp"}
    made = [path.name.rsplit("_022_")[1] for path in (tmp_path / "o").glob("*.png")]
    assert {name.rpartition("_end_")[2] for name in made} == {
        "msea_arc-grad_cam.png", "cp_lrp.png",
    }  # fmt: skip


def test_a_stopped_command_leaves_the_run_and_the_maps_that_were_done(
    picture, qwen_folder, tmp_path, monkeypatch, capsys
):
    def stop(self, run, tokens, method, **options):
        if method == "grad_cam":
            raise KeyboardInterrupt
        return attribute(self, run, tokens, method, **options)

    attribute = Explainer.attribute
    monkeypatch.setattr(Explainer, "attribute", stop)
    args = ["explain", picture, "--prompt", "a cat", "--model", qwen_folder, "--out", tmp_path]
    args += ["--max-new-tokens", 2, "--methods", "attention,grad_cam"]
    assert main([str(a) for a in args]) == 130
    held = Run.load(tmp_path / "scene.npz").attributions
    assert {method for method, *_ in held} == {"attention"}
    said = capsys.readouterr().out
    assert said.count("wrote ") == 1
    assert "Attention: map 2 of 2" in said


def test_eagle_tells_its_readings_and_how_much_a_word_rests_on_the_picture(
    picture, qwen_folder, tmp_path, capsys
):
    asked = ["explain", picture, "--prompt", "what is it?", "--model", qwen_folder]
    asked += ["--max-new-tokens", 3, "--token", 22, "--out", tmp_path / "o"]
    asked += ["--methods", "eagle", "--regions", 4, "--draw-parts", "--format", "json"]
    assert main([str(word) for word in asked]) == 0
    assert re.search(r"EAGLE: .* after \d+ readings of the picture", capsys.readouterr().out)
    with Image.open(tmp_path / "o" / "scene_parts.png") as drawn, Image.open(picture) as whole:
        assert drawn.size == whole.size
    (file,) = (tmp_path / "o").glob("*.json")
    ((told,),) = [subject["maps"] for subject in json.loads(file.read_text())["subjects"]]
    assert set(told["notes"]) == {"reliance", "shown", "empty"}
    assert told["notes"]["reliance"] >= 0


def test_parts_are_drawn_for_eagle_only(recorded, tmp_path, capsys):
    args = ["explain", recorded, "--draw-parts", "--out", tmp_path / "o"]
    assert "add --methods eagle" in _fails(capsys, *args)


def test_a_run_of_another_model_says_which_one_to_load(recorded, qwen_folder, capsys):
    args = ["explain", recorded, "--methods", "attention", "--model", qwen_folder]
    assert "load synthetic to compute its maps" in _fails(capsys, *args)


def test_methods_that_need_the_model_are_no_part_of_all(recorded, tmp_path):
    args = ["explain", recorded, "--word", "cat", "--methods", "all,cam"]
    assert main([str(a) for a in [*args, "--out", tmp_path / "o"]]) == 0
    (path,) = (tmp_path / "o").glob("*.png")
    assert path.name.endswith(f"_cat_{'-'.join(METHODS)}-cam.png")


def test_a_flag_of_several_methods_says_what_each_means_by_it(capsys):
    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "corrected, published; default corrected] (tam); or: " in told
    assert "causal, table; default causal] (grad_cam, grad_cam_pp, layer_cam, llava_cam)" in told


def test_knobs_and_presets_reach_the_method(recorded, tmp_path, monkeypatch):
    seen = {}

    def explain(run, tokens, **knobs):
        seen.update(knobs)
        return METHODS["msea_arc"].explain(run, tokens, **knobs)

    spied = replace(METHODS["msea_arc"], explain=explain)
    monkeypatch.setattr("explainer.commands.explain.find_method", lambda name: spied)
    args = ["explain", recorded, "--word", "cat", "--out", tmp_path / "o", "--k", 20, "--beta", 0.3]
    scales = ["--scales", "1 0.5", "--scale-weights", "2,0.5", "--clip", "per_scale"]
    assert main([str(a) for a in [*args, *scales]]) == 0
    assert seen["scale_weights"] == (2, 0.5)
    assert (seen["k"], seen["beta"], seen["scales"]) == (20, 0.3, (1.0, 0.5))
    assert seen["clip"] == "per_scale"
    preset = next(iter(spied.presets))
    assert main([str(a) for a in [*args[:6], "--preset", preset, "--beta", "auto"]]) == 0
    assert seen == spied.settings(preset=preset, beta=None)


def test_a_word_may_be_several_tokens():
    run = _saying(["a", " cat", " and", " a", " dog", "gy", "."], ["what"])
    part = find_word(run, "Doggy")
    first = run.indices(ANSWER)[4]
    assert part.tokens == (first, first + 1)
    assert find_word(run, " cat ").tokens == (run.indices(ANSWER)[1],)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a", "2 times, at tokens 9, 12"),
        ("blue", "in the prompt, see --token 5"),
        ("dog", "does not say 'dog'; it says: 'a red cat and a doggy.'"),
        ("", "empty"),
    ],
)
def test_a_word_that_is_not_there_once_is_said(word, message):
    run = _saying(["a", " red", " cat", " and", " a", " dog", "gy", "."], ["is", " it", " blue"])
    if word == "a":
        message = f"2 times, at tokens {run.indices(ANSWER)[0]}, {run.indices(ANSWER)[4]}"
    if word == "blue":
        message = f"in the prompt, see --token {run.indices(PROMPT)[2]}"
    with pytest.raises(TokenError, match=re.escape(message)):
        find_word(run, word)


# Refusals ----------------------------------------------------------------------------------------


def test_errors_are_one_line_and_exit_code_two(recorded, picture, qwen_folder, tmp_path, capsys):
    at = ["--out", tmp_path / "o"]
    model = ["--model", qwen_folder]
    cases = [
        (["explain", picture], "--prompt"),
        (["explain", tmp_path / "no.png", "--prompt", "a", *model], "no such picture"),
        (["explain", tmp_path / "no.npz"], "no such file"),
        (["explain", picture, "--prompt", " ", *model], "empty"),
        (["explain", picture, "--prompt", "a", "--model", "/nowhere"], "no such folder"),
        (["explain", recorded, "--token", 999, *at], "outside"),
        (["explain", recorded, "--word", "zebra", *at], "does not say"),
        (["explain", recorded, "--beta", "lots", *at], "a number"),
        (["explain", recorded, "--k", 1000, *at], "k must lie"),
        (["explain", recorded, "--scales", "x", *at], "0.5,0.75,1"),
        (["explain", recorded, "--scales", "0.9", *at], "was not recorded"),
        (["explain", recorded, "--scale-weights", "1,2", *at], "got 2 for 3 scales"),
        (["explain", recorded, "--methods", "tam", "--k", 5, *at], "not a knob of tam"),
        (["explain", recorded, "--methods", "tam,mood", *at], "there is no method 'mood'"),
        (["explain", recorded, "--methods", ",", *at], "names no method"),
        (["explain", recorded, "--preset", "gorgeous", *at], "no preset"),
        (["explain", recorded, "--opacity", 2, *at], "0..1"),
        (["dance"], "no such command"),
    ]
    for args, words in cases:
        assert words in _fails(capsys, *args), args


def test_the_program_itself_exits_with_two_and_without_a_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "explainer", "explain", str(tmp_path / "no.npz")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(recorded, tmp_path):
    command = f"{sys.executable} -m explainer explain {recorded} --out {tmp_path} | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


def test_help_lists_all_commands_even_if_one_cannot_be_imported(monkeypatch, capsys):
    real = __import__("importlib").import_module

    def broken(name, *rest):
        if name.endswith(".train"):
            raise ModuleNotFoundError("no", name="something_else")
        return real(name, *rest)

    monkeypatch.setattr("explainer.__main__.importlib.import_module", broken)
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "explain   ask about a picture" in out
    assert "needs something_else" in out
    assert "pip install something_else" in _fails(capsys, "train")


def test_flags_of_knobs_come_from_the_methods(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["explain", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for method in METHODS.values():
        for knob in method.knobs:
            assert f"--{knob.name.replace('_', '-')}" in text


# Other words and other answers -------------------------------------------------------------------


def _explain(out: Path, *args: object) -> list[str]:
    assert main(["explain", *map(str, args), "--out", str(out)]) == 0
    return sorted(p.name for p in out.glob("*.png"))


def test_a_word_is_set_against_another(recorded, tmp_path):
    """Both have their rows in the file, so no model is needed."""
    run = Run.load(recorded)
    other = run.pieces[int(run.unembedding.ids[-1])].strip()
    out = tmp_path / "maps"
    names = _explain(out, recorded, "--word", "cat", "--not", other, "--methods", "logit_lens")
    assert [n.partition("_cat-not-")[2] for n in names] == [f"{other}_logit_lens.png"]
    assert not list(out.glob("*.npz")), "nothing was added to the run"
    names = _explain(tmp_path / "more", recorded, "--word", "cat", "--instead", other)
    assert names[0].endswith(f"_{other}_msea_arc.png")


def test_a_typed_word_is_brought_with_the_model(picture, qwen_folder, tmp_path):
    out = tmp_path / "maps"
    common = ["--model", qwen_folder, "--device", "cpu", "--methods", "tam"]
    asked = [picture, "--prompt", "a", "--answer", "a red cat", *common, "--word", "cat"]
    names = _explain(out, *asked, "--instead", "doggy", "--not", "grass", "--by", "mean")
    assert len(names) == 1
    assert "_doggy-not-grass_tam" in names[0]
    run = Run.load(out / "scene.npz")
    assert run.answer == "a red cat"
    assert " doggy" in run.settings["words"]


def test_an_answer_is_edited_and_the_first_one_kept(picture, qwen_folder, tmp_path):
    common = ["--model", qwen_folder, "--device", "cpu", "--methods", "tam", "--token", 0]
    _explain(tmp_path, picture, "--prompt", "a", "--answer", "a red cat", *common)
    _explain(tmp_path, tmp_path / "scene.npz", "--answer", "a blue car", *common)
    assert Run.load(tmp_path / "scene.npz").answer == "a red cat"
    assert Run.load(tmp_path / "scene-edited.npz").answer == "a blue car"


def test_a_conversation_goes_on_and_is_kept_beside_the_first_answer(
    picture, qwen_folder, tmp_path, capsys
):
    common = ["--model", qwen_folder, "--device", "cpu", "--methods", "tam", "--token", 0]
    turns = tmp_path / "turns.json"
    turns.write_text(json.dumps([{"prompt": "hm?", "answer": "a dog"}]))
    before = ["--system", "be brief", "--history", turns, "--answer", "a red cat"]
    _explain(tmp_path, picture, "--prompt", "a?", *before, *common)
    further = ["--ask", "b?", "--ask", "c?", "--answer", "a blue car", "--max-new-tokens", 2]
    _explain(tmp_path, tmp_path / "scene.npz", *further, *common)
    first, last = (Run.load(tmp_path / name) for name in ("scene.npz", "scene-asked.npz"))
    assert first.conversation == Conversation("be brief", (Turn("hm?", "a dog"),))
    assert [turn.prompt for turn in last.conversation.turns] == ["hm?", "a?", "b?"]
    assert (last.prompt, last.answer, last.conversation.system) == ("c?", "a blue car", "be brief")
    said = capsys.readouterr().out
    assert re.search(r"earlier_answer .* ' dog'", said)
    for text, words in (("{", "is no JSON"), ("[1]", "list of earlier turns")):
        turns.write_text(text)
        asked = ["explain", picture, "--prompt", "a", "--history", turns, "--model", qwen_folder]
        assert words in _fails(capsys, *asked)


def test_another_word_needs_a_place(recorded, capsys):
    assert "--word or --token" in _fails(capsys, "explain", recorded, "--not", "cat")
    assert "--word or --token" in _fails(capsys, "explain", recorded, "--instead", "cat")


def test_layers_and_evidence_are_told_and_shown(picture, qwen_folder, tmp_path, capsys):
    out = tmp_path / "maps"
    args = ["explain", picture, "--prompt", "a cat", "--model", qwen_folder, "--out", out]
    told = ["--layers", "all", "--evidence", "--sources", "--layer", "1", "--max-new-tokens", "3"]
    assert main([*map(str, args), *told, "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^1 further layer is kept, about [\d.]+ MB", said, re.M)
    assert re.search(r"prob +picture +picture/prompt/words +text", said)
    assert re.search(r"^The answer rests|^No single source", said, re.M)
    run = Run.load(out / "scene.npz")
    assert run.layer_numbers == (1, 2)
    assert run.evidence is not None
    assert "layer 5 was not recorded" in _fails(
        capsys, "explain", out / "scene.npz", "--layer", "5", "--out", out
    )


def test_evidence_is_added_to_a_recorded_run(picture, qwen_folder, tmp_path):
    common = ["--model", str(qwen_folder), "--device", "cpu"]
    asked = ["--prompt", "a cat", "--max-new-tokens", "3", "--token", "0", *common]
    _explain(tmp_path, picture, *asked)
    assert Run.load(tmp_path / "scene.npz").evidence is None
    _explain(tmp_path, tmp_path / "scene.npz", "--evidence", "--sources", "--token", 0, *common)
    run = Run.load(tmp_path / "scene.npz")
    assert run.evidence is not None
    assert run.sources.shape == (3, len(run.indices(ANSWER)))
