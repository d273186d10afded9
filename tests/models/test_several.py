"""Several pictures, and videos, in the Qwen-VL families: as transformers lays them out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import Qwen2VLProcessor, Qwen3VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from explainer.errors import ImageError, ModelError, PromptError, VideoError
from explainer.methods import METHODS
from explainer.models.inputs import Media
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, Run, Video
from tests import tiny

PICTURES = [tiny.image(96, 128), tiny.image(64, 48, seed=1), tiny.image(40, 120, seed=2)]
PROMPT_TEXT = "what is it?"


def video(frames: int = 6, height: int = 64, width: int = 96, interval: float = 0.5) -> Video:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    return Video(pixels, interval * np.arange(frames, dtype=float), interval, tuple(range(frames)))


MEDIA = {"pictures": PICTURES, "video": video(), "long": video(12, 40, 40, 3.0)}
every_media = pytest.mark.parametrize("media", MEDIA.values(), ids=MEDIA)


@pytest.fixture(scope="module", params=["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5"])
def explainer(request, family_folders) -> Explainer:
    return load(family_folders[request.param], device="cpu")


@pytest.fixture
def family(explainer):
    return explainer.family


def record(explainer: Explainer, media: Media, **options) -> Run:
    options = {"max_new_tokens": 5, **options}
    if isinstance(media, Video):
        return explainer.record(None, PROMPT_TEXT, video=media, **options)
    return explainer.record(media, PROMPT_TEXT, **options)


def kinds(family, ids: torch.Tensor) -> torch.Tensor:
    """Return what HF's processor calls mm_token_type_ids."""
    return (ids == family.image_token_id).int() + 2 * (ids == family.video_token_id).int()


def tensors_for_hf(inputs) -> dict:
    """Return the arguments of a plain forward; the model works its positions out."""
    ids = torch.tensor([inputs.ids])
    return {"input_ids": ids, **inputs.tensors}


def as_processor(family):
    """Return transformers' own processor of the family, as far as its text needs it.

    Its image and video processors cannot be built without torchvision; of them it reads sizes.
    """
    kind = Qwen2VLProcessor if "Qwen2" in type(family.model).__name__ else Qwen3VLProcessor
    processor = object.__new__(kind)
    sizes = SimpleNamespace(merge_size=2, temporal_patch_size=2)
    processor.image_processor = processor.video_processor = sizes
    processor.image_token, processor.video_token = "<|image_pad|>", "<|video_pad|>"
    processor.vision_start_token, processor.vision_end_token = "<|vision_start|>", "<|vision_end|>"
    return processor


def metadata(media: Media) -> SimpleNamespace | None:
    if not isinstance(media, Video):
        return None
    return SimpleNamespace(frames_indices=list(media.numbers), fps=1 / media.interval)


@every_media
def test_the_sequence_is_that_of_the_template_with_placeholders_repeated(family, media):
    is_video = isinstance(media, Video)
    kind, token = ("video", "<|video_pad|>") if is_video else ("image", "<|image_pad|>")
    content = [{"type": kind}] * (1 if is_video else len(media))
    words = family.codec._tokenizer
    text = words.apply_chat_template(
        [{"role": "user", "content": [*content, {"type": "text", "text": PROMPT_TEXT}]}],
        chat_template=family.template,
        add_generation_prompt=True,
        tokenize=False,
    )
    inputs = family.compose(media, PROMPT_TEXT)
    grids = inputs.tensors["video_grid_thw" if is_video else "image_grid_thw"]
    merge = family.model.config.vision_config.spatial_merge_size
    processor = as_processor(family)
    data = {f"{kind}_grid_thw": grids, "video_metadata": [metadata(media)]}
    replace = processor.replace_video_token if is_video else processor.replace_image_token
    pieces = text.split(token)
    expanded = pieces[0]
    for i, piece in enumerate(pieces[1:]):
        expanded += replace(data, i) + piece  # as ProcessorMixin.get_text_with_replacements does it
    assert list(inputs.ids) == words(expanded, add_special_tokens=False)["input_ids"]
    assert (
        len(inputs.visual) == sum(map(len, inputs.views)) == int(grids.prod(-1).sum()) // merge**2
    )
    assert sorted({*inputs.visual, *inputs.text_positions}) == list(range(len(inputs.ids)))


@every_media
def test_positions_and_states_equal_those_the_model_works_out_itself(family, media):
    inputs = family.compose(media, PROMPT_TEXT)
    ours = family.forward_inputs(inputs)
    plain = tensors_for_hf(inputs)
    if "Qwen2_5" not in type(family.model).__name__:
        plain.pop("second_per_grid_ts", None)
    with torch.inference_mode():
        theirs = family.base(**plain, mm_token_type_ids=kinds(family, plain["input_ids"]))
        assert torch.equal(family.base(**ours).last_hidden_state, theirs.last_hidden_state)
        family.base.rope_deltas = None


@every_media
def test_what_is_recorded_is_what_generate_says(explainer, media):
    family = explainer.family
    run = record(explainer, media)
    inputs = family.compose(media, PROMPT_TEXT)
    plain = tensors_for_hf(inputs)
    if "Qwen2_5" not in type(family.model).__name__:
        plain.pop("second_per_grid_ts", None)
    with torch.inference_mode():
        out = family.model.generate(
            **plain,
            mm_token_type_ids=kinds(family, plain["input_ids"]),
            do_sample=False,
            max_new_tokens=5,
            output_logits=True,
            return_dict_in_generate=True,
        )
    family.base.rope_deltas = None
    answer = run.indices(ANSWER)
    said = out.sequences[0, len(inputs.ids) :].tolist()
    assert run.tokens.ids[answer].tolist() == said[: len(answer)]
    for row, logits in zip(answer, out.logits, strict=False):
        ours = run.text_logits[row]
        np.testing.assert_allclose(ours, logits[0, run.unembedding.ids], atol=0.05)


@every_media
def test_each_image_has_its_own_view_and_map(explainer, media):
    run = record(explainer, media)
    steps = len(media.frames) // 2 if isinstance(media, Video) else len(media)
    assert len(run.images) == len(run.labels) == steps
    for scale in run.scales:
        assert [view.image for view in scale.views] == list(range(steps))
        for view, image in zip(scale.views, run.images, strict=True):
            assert view.rects[0, :2].tolist() == [0, 0]
            assert view.rects[-1, 2:].tolist() == [image.shape[1], image.shape[0]]
    for method in METHODS.values():
        heat = method(run, int(run.indices(ANSWER)[0]))
        grids = [view.grid for view in run.scales[0].views]
        assert [part.values.shape for part in heat.parts] == grids
        assert max(part.values.max() for part in heat.parts) <= 1


@every_media
def test_a_scale_added_later_is_the_one_recorded_at_once(explainer, media, tmp_path):
    at_once = record(explainer, media)
    one = record(explainer, media, scales=(1.0,))
    one.save(tmp_path / "run.npz")  # a file holds all that another scale needs
    later = explainer.add_scale(explainer.add_scale(Run.load(tmp_path / "run.npz"), 0.5), 0.75)
    assert later.alphas == at_once.alphas
    for a, b in zip(later.scales, at_once.scales, strict=True):
        np.testing.assert_array_equal(a.states, b.states)
        assert a.base_id == b.base_id
    assert later.labels == at_once.labels


def test_visual_states_of_a_picture_do_not_depend_on_later_ones(explainer):
    family = explainer.family
    first = explainer._engine.visual_states(family.compose_prefix(PICTURES[:1], 1.0))[-1]
    both = explainer._engine.visual_states(family.compose_prefix(PICTURES[:2], 1.0))[-1]
    torch.testing.assert_close(both[: len(first)], first, atol=1e-4, rtol=1e-4)


# Videos ----------------------------------------------------------------------------------------


def test_frames_become_the_patches_of_the_video_processor(family):
    """The reference is written out: that processor itself cannot be built without torchvision."""
    clip = video(4, 64, 96)
    picture = family.video(clip, 1.0)
    size, merge = family.processor.patch_size, family.processor.merge_size
    mean, std = (np.array(getattr(family.processor, n)) for n in ("image_mean", "image_std"))
    assert picture.tensors["video_grid_thw"].tolist() == [[2, 8, 12]]
    scaled = (clip.frames / 255 - mean) / std  # whole cells already: nothing is resized
    blocks = scaled.transpose(0, 3, 1, 2).reshape(2, 2, 3, 4, merge, size, 6, merge, size)
    want = blocks.transpose(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(2 * 8 * 12, -1)
    np.testing.assert_allclose(picture.tensors["pixel_values_videos"], want, atol=1e-5)


def test_a_spot_in_the_second_frame_of_a_step_is_seen_at_its_place(family):
    dark = np.zeros((4, 64, 96, 3), np.uint8)
    spot = dark.copy()
    spot[3, 20:28, 68:76] = 255
    clip = video(4)
    one, two = (family.video(Video(f, clip.times, 0.5, clip.numbers), 1.0) for f in (dark, spot))
    name = "pixel_values_videos"
    changed = (one.tensors[name] != two.tensors[name]).any(1).reshape(len(one), -1).any(1)
    (token,) = np.flatnonzero(changed.numpy())
    view, place = two.views[1], int(token) - len(two.views[0])
    assert view.image == 1
    assert view.rects[place].tolist() == [64, 16, 80, 32]


def test_time_moves_the_positions_of_qwen25_alone(explainer):
    family = explainer.family
    positions = [
        family.forward_inputs(family.compose(video(interval=s), "a"))["position_ids"]
        for s in (0.5, 2.0)
    ]
    moved = not torch.equal(*positions)
    assert moved == ("Qwen2_5" in type(family.model).__name__)


def test_frames_are_fitted_to_the_context(family):
    assert family.max_length == 512
    picture = family.video(video(16, 448, 448), 1.0)
    assert len(picture.views) == 8
    assert len(picture) <= 256  # half the context
    assert all(len(view) == len(picture.views[0]) for view in picture.views)


def test_labels_say_which_frames_and_when(explainer):
    run = record(explainer, video(), scales=(1.0,))
    assert run.labels[1] == "frames 3–4, 0:01.0 to 0:01.5"
    assert run.video is not None
    np.testing.assert_array_equal(run.images[1], run.video.frames[2])


# Refusals --------------------------------------------------------------------------------------


def test_too_many_pictures_are_refused(explainer):
    with pytest.raises(ImageError, match="takes up to 16 pictures at a time, got 17"):
        explainer.record([tiny.image(16, 16)] * 17, "a")
    with pytest.raises(ImageError, match="no picture"):
        explainer.record([], "a")
    with pytest.raises(ImageError, match="not both"):
        explainer.record(tiny.image(), "a", video=video())


def test_too_many_tokens_are_refused_in_words(explainer):
    with pytest.raises(PromptError, match="fewer or smaller pictures"):
        explainer.record([tiny.image(128, 128)] * 9, "a")


def test_a_checkpoint_without_the_token_takes_no_video(explainer, monkeypatch):
    monkeypatch.setattr(type(explainer.family), "video_token", "<|no_such_token|>")
    with pytest.raises(VideoError, match="takes pictures and no video"):
        explainer.record(None, "a", video=video())


def test_notes_name_the_picture_they_are_about(explainer):
    faint = np.zeros((32, 32, 4), np.uint8)
    run = explainer.record([tiny.image(), faint], "a", scales=(1.0,), max_new_tokens=1)
    assert run.settings["image_notes"] == [
        "Picture 2: Its transparent parts are shown on white.",
        "Picture 2: All of it has nearly the same colour, so there is little to see.",
    ]


def test_a_template_that_writes_a_picture_once_is_refused_for_two(explainer, monkeypatch):
    words = explainer.family.codec.tokenizer
    single = "<|vision_start|><|image_pad|><|vision_end|>{{ messages[0]['content'][-1]['text'] }}"
    monkeypatch.setattr(words, "chat_template", single)
    with pytest.raises(ModelError, match="for each image"):
        explainer.record(PICTURES[:2], "a")


def test_smart_resize_is_the_one_of_transformers(family):
    limits = family.processor.size
    want = smart_resize(100, 300, family.cell, limits["shortest_edge"], limits["longest_edge"])
    assert family.input_size(100, 300, 1.0) == want
