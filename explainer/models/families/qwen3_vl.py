"""Qwen3-VL: features of several depths of its vision tower, and times between a video's steps."""

from __future__ import annotations

from dataclasses import replace

from explainer.models.families.qwen2_vl import TURNS, Qwen2VL
from explainer.models.inputs import InputPicture
from explainer.run import Video


class Qwen3VL(Qwen2VL):
    """Qwen3-VL, Instruct and Thinking.

    Besides the features that stand for the picture in the sequence, those of earlier blocks of the
    vision tower are added to the states of the visual tokens after the first decoder layers
    (DeepStack). States of a layer are recorded after that.

    A video is a block of visual tokens for each step, with the step's time before it.
    """

    label = "Qwen3-VL"
    photo_tokens = 550
    model_class = "Qwen3VLForConditionalGeneration"
    template = TURNS

    @classmethod
    def extra_marks(cls) -> tuple[str, ...]:
        return ("<|vision_start|>", "<|vision_end|>", "<think>", "</think>")

    def video(self, video: Video, alpha: float) -> InputPicture:
        """Return the frames of a video at scale `alpha`, with the time before each step.

        As in transformers' own processor: the time of a step is the mean of those of its first and
        last frame, and each step has marks of its own within those that the template writes.
        """
        picture = super().video(video, alpha)
        size = self.frames_per_step
        layout: list[str | int] = []
        close = ""
        for step, view in enumerate(picture.views):
            time = (video.times[step * size] + video.times[(step + 1) * size - 1]) / 2
            layout += [f"{close}<{time:.1f} seconds><|vision_start|>", len(view)]
            close = "<|vision_end|>"
        grids = {n: t for n, t in picture.tensors.items() if n != "second_per_grid_ts"}
        return replace(picture, tensors=grids, layout=(*layout, close))
