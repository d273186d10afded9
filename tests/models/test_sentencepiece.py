"""A `tokenizer.model` gives the ids that SentencePiece gives, without SentencePiece."""

from __future__ import annotations

import random

import pytest
from tokenizers import AddedToken

from explainer.errors import ModelError
from explainer.models.text.sentencepiece import (
    NORMAL,
    USER_DEFINED,
    VocabularyPiece,
    build_backend,
    read_model,
)
from tests.models import sentencepiece_reference as reference

TEXTS = (
    "the cat is in the picture",
    "a red   cat",
    " the system\nassistant user",
    "图片是 the\n",
    "naïve 🐉",
    "<0x41> <s> <|im_end|>",
    "▁the",
    "sssass istant  ",
)


def _random_texts(count: int) -> list[str]:
    draw = random.Random(0)
    parts = [*"aehtisn rcupd\n", *reference.WORDS, "  ", "é"]
    return ["".join(draw.choices(parts, k=12)).replace("▁", " ") for _ in range(count)]


@pytest.mark.parametrize("dummy_prefix", [False, True])
@pytest.mark.parametrize("squeeze_spaces", [False, True])
def test_the_ids_are_those_of_the_algorithm(tmp_path, dummy_prefix, squeeze_spaces):
    vocabulary = reference.pieces()
    flags = {"dummy_prefix": dummy_prefix, "squeeze_spaces": squeeze_spaces}
    model = read_model(reference.write(tmp_path / "tokenizer.model", vocabulary, **flags))
    backend = build_backend(model, {})
    for text in [t for t in (*TEXTS, *_random_texts(200)) if "<s>" not in t]:
        expected = reference.encode(text, vocabulary, **flags)
        assert backend.encode(text, add_special_tokens=False).ids == expected, text


def test_what_is_read_is_what_was_written(tmp_path):
    vocabulary = [*reference.pieces(), VocabularyPiece("[UNUSED]", -1.5, USER_DEFINED)]
    model = read_model(reference.write(tmp_path / "tokenizer.model", vocabulary, dummy_prefix=True))
    assert list(model.pieces) == vocabulary
    assert model.byte_fallback
    assert model.dummy_prefix
    assert not model.squeeze_spaces
    assert model.charsmap == b""


def test_added_tokens_take_their_places_and_come_after(tmp_path):
    vocabulary = [*reference.pieces(), VocabularyPiece("[UNUSED_TOKEN_1]", -900.0, NORMAL)]
    last = len(vocabulary) - 1
    added = {
        last: AddedToken("<|im_end|>", special=True, normalized=False),
        last + 1: AddedToken("<img>", special=True, normalized=False),
    }
    model = read_model(reference.write(tmp_path / "tokenizer.model", vocabulary))
    backend = build_backend(model, added)
    assert backend.encode("<s>a<|im_end|><img>").ids[0] == 1
    assert backend.encode("<s>a<|im_end|><img>").ids[-2:] == [last, last + 1]
    assert backend.token_to_id("[UNUSED_TOKEN_1]") is None


def test_bytes_and_spaces_come_back(tmp_path):
    model = read_model(reference.write(tmp_path / "tokenizer.model", reference.pieces()))
    backend = build_backend(model, {})
    for text in ("the cat", "naïve 🐉", "  two  spaces"):
        assert backend.decode(backend.encode(text).ids) == text


def test_ids_that_leave_a_gap_are_refused(tmp_path):
    model = read_model(reference.write(tmp_path / "tokenizer.model", reference.pieces()))
    far = {len(model.pieces) + 7: AddedToken("<img>", special=True)}
    with pytest.raises(ModelError, match="<img> does not fit"):
        build_backend(model, far)


@pytest.mark.parametrize("data", [b"", b"\x0a\xff", b"\x0b", b"no such thing", b"\x0a\x02\x15\x00"])
def test_a_damaged_file_is_said(tmp_path, data):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"tokenizer\.model"):
        read_model(path)


def test_a_unigram_model_is_refused(tmp_path):
    path = reference.write(tmp_path / "tokenizer.model", reference.pieces(), kind=1)
    with pytest.raises(ModelError, match="byte-pair"):
        read_model(path)
