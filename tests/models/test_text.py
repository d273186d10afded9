"""User text stays plain, and tokens spell whole characters."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from explainer.errors import ModelError
from explainer.models.text import TextCodec, TextStream
from explainer.run import PROMPT, TEMPLATE
from tests import tiny

WORDS = tiny.tokenizer()
ORDINARY = (
    "describe the image.",
    " leading and trailing ",
    "two\nlines\n\n\tand a tab",
    "it's 3.14, isn't it?",
    "naïve café 猫 😀👩‍🔬",
    "a",
    "\n",
)
MARKUP = (*tiny.SPECIAL, "<image>", "a <|im_end|> b", "<|im_end|>\n<|im_start|>system", "<tool>")


@pytest.fixture
def codec() -> TextCodec:
    words = tiny.tokenizer()
    words.add_tokens(["<tool>"])  # added, but not flagged as special
    return TextCodec(words)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_has_its_usual_ids(codec, text):
    ids, roles = codec.encode_around("<|vision_end|>", text, "<|im_end|>\n")
    whole = WORDS(f"<|vision_end|>{text}<|im_end|>\n", add_special_tokens=False)["input_ids"]
    assert ids == whole
    said = [i for i, role in zip(ids, roles, strict=True) if role == PROMPT]
    assert said == WORDS(text, add_special_tokens=False)["input_ids"]
    assert b"".join(map(codec.bytes_of, said)).decode() == text


@pytest.mark.parametrize("text", MARKUP)
def test_markup_that_is_typed_stays_text(codec, text):
    ids, roles = codec.encode_around("<|vision_end|>", text, "<|im_end|>\n")
    said = [i for i, role in zip(ids, roles, strict=True) if role == PROMPT]
    added = codec._tokenizer.get_added_vocab().values()
    assert not set(said) & set(added)
    assert b"".join(map(codec.bytes_of, said)).decode() == text
    assert ids[: len(ids) - len(said)][0] == codec.special_id("<|vision_end|>")


def test_template_text_that_touches_the_prompt_is_tokenised_with_it(codec):
    """As in "...\\n" + prompt + " assistant", where no special token stands between."""
    ids, roles = codec.encode_around("<|im_start|>user the", " dog", " sits<|im_end|>")
    text = "<|im_start|>user the dog sits<|im_end|>"
    assert ids == WORDS(text, add_special_tokens=False)["input_ids"]
    said = [codec.piece(i) for i, role in zip(ids, roles, strict=True) if role == PROMPT]
    assert said == [" dog"]
    assert roles[0] == roles[-1] == TEMPLATE


@pytest.mark.parametrize("text", [*ORDINARY, "x" + "🙂" * 3 + "é", "<|im_end|>é"])
def test_a_split_character_stands_whole_in_its_first_token(codec, text):
    ids = codec._tokenizer(text, add_special_tokens=False)["input_ids"]
    texts = codec.texts(ids)
    assert "".join(texts) == text
    assert len(texts) == len(ids)
    starts, total = [], b""
    for token_id in ids:
        starts.append(len(total))
        total += codec.bytes_of(token_id)
    for i, piece in enumerate(texts):
        if piece:
            begin = len("".join(texts[:i]).encode())
            assert starts[i] <= begin
            assert i + 1 == len(ids) or begin < starts[i + 1]


def test_bytes_that_are_no_text_become_replacement_characters(codec):
    byte = {codec.bytes_of(i): i for i in range(300) if len(codec.bytes_of(i)) == 1}
    ids = [byte[bytes([b])] for b in b"a\xf0\x9fb\x80\xe7\x8c"]
    texts = codec.texts(ids)
    assert "".join(texts) == codec._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert texts == ("a", "�", "", "b", "�", "�", "")


def test_a_stream_holds_a_character_back_until_it_is_whole(codec):
    ids = codec._tokenizer("a猫b", add_special_tokens=False)["input_ids"]
    stream = TextStream(codec)
    pieces = [stream.feed(i) for i in ids]
    assert "".join(pieces) == "a猫b"
    assert not any("�" in p for p in pieces)
    assert stream.finish() == ""
    stream.feed(ids[1])
    assert stream.waiting == 1
    assert stream.finish() == "�"


def test_pieces_are_legible(codec):
    assert codec.piece(codec.special_id("<|im_end|>")) == "<|im_end|>"
    lone = codec._tokenizer("猫", add_special_tokens=False)["input_ids"][0]
    assert codec.piece(lone) == "⟨E7⟩"
    assert codec.piece(10_000) == "⟨10000⟩"


def test_ordinary_ids_are_those_without_added_tokens(codec):
    ordinary = codec.ordinary()
    assert len(ordinary) == len(codec) == len(WORDS) + 1
    assert ordinary.sum() == len(codec) - len(tiny.SPECIAL) - 1


def _sentencepiece() -> PreTrainedTokenizerFast:
    """A Llama-like tokenizer: spaces as ▁, bytes as <0x..>."""
    bytes_ = {f"<0x{b:02X}>": b + 3 for b in range(256)}
    letters = {c: 259 + i for i, c in enumerate("▁acdtho")}
    words = {"▁a": 266, "▁c": 267, "at": 268, "▁cat": 269}
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2, **bytes_, **letters, **words}
    merges = [("▁", "a"), ("▁", "c"), ("a", "t"), ("▁c", "at")]
    backend = Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


def test_sentencepiece_vocabularies_are_read_too():
    words = _sentencepiece()
    codec = TextCodec(words)
    ids, _ = codec.encode_around("</s>", " a cat猫 </s>", "</s>")
    assert codec.texts(ids) == ("</s>", " a", " cat", "猫", "", "", " ", *"</s>", "</s>")
    assert ids.count(2) == 2
    assert codec.texts([269, 266]) == (" cat", " a")


def test_a_tokenizer_without_a_backend_is_refused():
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        TextCodec(object())
