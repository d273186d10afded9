"""Films: one frame for each word, marked in its sentence."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from explainer.export import film as films
from explainer.export import words
from explainer.export.film import FRAME_MS, LAST_MS, film_gif, film_webp, frames
from explainer.run import PROMPT
from tests.ui.fake import fake_run

ANSWER = ("A", " cat", "ty", " on", " a", " mat", ".", "\n")


@pytest.mark.parametrize("film", [film_gif, film_webp])
def test_one_frame_for_each_word_and_the_last_stays(make, film):
    run = fake_run(ANSWER)
    made = replace(make(run, methods=["tam"]), subjects=tuple(words(run)))
    heard = []
    data = film(made, lambda done, total: heard.append((done, total)))
    with Image.open(io.BytesIO(data)) as moving:
        assert moving.n_frames == 6
        assert moving.info.get("loop") == 0
        times = []
        for i in range(moving.n_frames):
            moving.seek(i)
            moving.load()
            times.append(moving.info["duration"])
    assert times == [FRAME_MS] * 5 + [LAST_MS]
    assert heard == [(i, 6) for i in range(1, 7)]


def test_frames_are_of_one_size_and_differ_in_word_and_map(make):
    run = fake_run(tuple(f" word{i}" for i in range(60)))
    made = replace(make(run), subjects=(*words(run)[::20], *words(run, PROMPT)))
    pictures = [np.asarray(frame).astype(int) for frame in frames(made)]
    assert len({p.shape for p in pictures}) == 1
    assert pictures[0].shape[1] <= 960
    for one, other in pairwise(pictures):
        assert np.abs(one - other)[:100].max() > 100, "another word is marked"
        assert np.abs(one - other)[200:350].max() > 50, "another map is shown"


def test_words_are_whole():
    run = fake_run(ANSWER)
    said = ["".join(run.tokens.texts[t] for t in span.tokens) for span in words(run)]
    assert said == ["A", " catty", " on", " a", " mat", "."]


def test_frames_of_a_long_film_are_smaller(make, monkeypatch):
    run = fake_run(ANSWER)
    made = replace(make(run), subjects=tuple(words(run)))
    usual = next(frames(made)).size
    monkeypatch.setattr(films, "MAX_PIXELS", len(made.subjects) * usual[0] * usual[1] // 4)
    pictures = list(frames(made))
    assert len(pictures) == len(made.subjects)
    for picture in pictures:
        assert picture.size == pytest.approx((usual[0] / 2, usual[1] / 2), abs=1)
