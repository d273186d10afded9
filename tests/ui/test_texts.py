"""What a token looks like on a chip, and numbers in words."""

from __future__ import annotations

import pytest

from explainer.web import texts, token_text


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        (" cat", "cat"),
        ("cat", "cat"),
        (" ", "␣"),
        ("   ", "␣␣␣"),
        ("  cat", "␣␣cat"),
        ("cat ", "cat␣"),
        ("\n", "⏎"),
        (" \n\n", "␣⏎⏎"),
        ("\t", "⇥"),
        ("\r\n", "␍⏎"),
        ("\x00", "␀"),
        ("a\x00b", "a␀b"),
        ("\x7f\x85", "␡[U+0085]"),
        ("\xa0", "⍽"),
        ("\u200b", "[U+200B]"),
        ("\u202e", "[U+202E]"),
        ("👩‍🚀", "👩‍🚀"),
        ("é", "é"),
        ("\u0301", "[U+0301]"),
        ("\ud800", "[U+D800]"),
        ("", "∅"),
        ("<b>${1+1}</b>", "<b>${1+1}</b>"),
        (" مرحبا", "مرحبا"),
    ],
)
def test_nothing_on_a_chip_is_invisible(text, drawn):
    assert token_text.visible(text) == drawn


@pytest.mark.parametrize("text", [" cat", "Zebra", "3", " 猫"])
def test_content_words_can_name_something(text):
    assert token_text.is_content(text)


@pytest.mark.parametrize("text", [" the", "A", ".", " ", "", "\n", " Yes", "🍎"])
def test_other_tokens_are_not_chosen_first(text):
    assert not token_text.is_content(text)


def test_numbers_in_words():
    assert [texts.share(p) for p in (None, 0.9731, 1e-9, 1.0)] == [
        "",
        "97.3 %",
        "< 0.1 %",
        "100.0 %",
    ]
    assert [texts.duration(s) for s in (0.0002, 0.0081, 1.44, 125)] == [
        "1 ms", "8 ms", "1.4 s", "2 min 5 s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("part", "words"), [(0, "0 %"), (0.001, "< 1 %"), (0.31, "31 %"), (1, "100 %")]
)
def test_shares_in_words(part, words):
    assert texts.percent(part) == words
