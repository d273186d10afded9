"""What the page says of its model."""

from __future__ import annotations

import pytest

from explainer.ui.model_card import BUNDLED, LONGEST, describe, first_prose

CARD = """---
license: apache-2.0
---

# tiny

<!-- a comment -->

A `RealModel` made for [tests](http://x.y), **It knows two
things.** For photographs load _another_.

## More

* not this
"""


def test_the_card_speaks_for_the_model(tmp_path):
    folder = tmp_path / "tiny-model"
    folder.mkdir()
    assert describe(folder, bundled=True) == f"Model tiny-model. {BUNDLED}"
    assert describe(folder, bundled=False) == "Model tiny-model."
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    said = "Model tiny-model. It knows two things. For photographs load another."
    assert describe(folder, bundled=True) == said


def test_a_hub_id_is_named():
    assert (
        describe("Qwen/Qwen2-VL-2B-Instruct", bundled=False) == "Model Qwen/Qwen2-VL-2B-Instruct."
    )


@pytest.mark.parametrize("card", ["", "# Title", "---\na: b\n---\n", "* a\n* b", "```\ncode\n```"])
def test_a_card_without_prose_says_nothing(card):
    assert first_prose(card) == ""


def test_long_cards_are_cut_after_a_sentence():
    cut = first_prose("One sentence. " * 100)
    assert len(cut) <= LONGEST
    assert cut.endswith("sentence.")
    assert len(first_prose("x" * 1000)) == LONGEST
