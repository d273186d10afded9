"""User text stays plain, and tokens spell whole characters."""

from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from explainer.errors import ModelError
from explainer.models.text.tokens import TextCodec, TextStream
from explainer.run import PROMPT, TEMPLATE
from tests import tiny, tiny_tiles

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


def encode_around(codec: TextCodec, before: str, user: str, after: str):
    """Return ids and roles of a prompt between two pieces of template."""
    return codec.encode_pieces([(before, TEMPLATE), (user, PROMPT), (after, TEMPLATE)])


@pytest.fixture
def codec() -> TextCodec:
    words = tiny.tokenizer()
    words.add_tokens(["<tool>"])  # added, but not flagged as special
    return TextCodec(words)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_has_its_usual_ids(codec, text):
    ids, roles = encode_around(codec, "<|vision_end|>", text, "<|im_end|>\n")
    whole = WORDS(f"<|vision_end|>{text}<|im_end|>\n", add_special_tokens=False)["input_ids"]
    assert ids == whole
    said = [i for i, role in zip(ids, roles, strict=True) if role == PROMPT]
    assert said == WORDS(text, add_special_tokens=False)["input_ids"]
    assert b"".join(map(codec.bytes_of, said)).decode() == text


@pytest.mark.parametrize("text", MARKUP)
def test_markup_that_is_typed_stays_text(codec, text):
    ids, roles = encode_around(codec, "<|vision_end|>", text, "<|im_end|>\n")
    said = [i for i, role in zip(ids, roles, strict=True) if role == PROMPT]
    added = codec._tokenizer.get_added_vocab().values()
    assert not set(said) & set(added)
    assert b"".join(map(codec.bytes_of, said)).decode() == text
    assert ids[: len(ids) - len(said)][0] == codec.special_id("<|vision_end|>")


def test_template_text_that_touches_the_prompt_is_tokenised_with_it(codec):
    """As in "...\\n" + prompt + " assistant", where no special token stands between."""
    ids, roles = encode_around(codec, "<|im_start|>user the", " dog", " sits<|im_end|>")
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
    ids, _ = encode_around(codec, "</s>", " a cat猫 </s>", "</s>")
    assert codec.texts(ids) == ("</s>", " a", " cat", "猫", "", "", " ", *"</s>", "</s>")
    assert ids.count(2) == 2
    assert codec.texts([269, 266]) == (" cat", " a")


LLAMA_LAYOUTS = ("normalizer", "first", "always", "never")
TEMPLATES = (
    ("USER: ", "\n", " ASSISTANT:"),  # LLaVA-1.5
    ("USER: ", "</s>\n", " ASSISTANT:</s>x "),
    ("", "", "</s>\n"),
    ("look ", "\nx </s> y ", "\n"),
)


@pytest.fixture(scope="module", params=[*LLAMA_LAYOUTS, "legacy", "not legacy"])
def llama(request, tmp_path_factory):
    """Llama tokenizers of each layout, and as transformers rebuilds them by their class."""
    if request.param in LLAMA_LAYOUTS:
        return tiny_tiles.llama_tokenizer(request.param)
    folder = tmp_path_factory.mktemp("llama")
    tiny_tiles.llama_tokenizer().save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    changes = {"tokenizer_class": "LlamaTokenizer", "legacy": request.param == "legacy"}
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("text", [*ORDINARY, " ", "USER: a", "ASSISTANT:"])
@pytest.mark.parametrize(("head", "between", "after"), TEMPLATES)
def test_llamas_spaces_stand_where_the_whole_string_has_them(llama, head, between, after, text):
    codec = TextCodec(llama)
    picture = [codec.special_id("<image>")] * 3
    ids, roles = encode_around(codec, between, text, after)
    whole = f"{head}{'<image>' * 3}{between}{text}{after}"
    assert [*codec.encode_start(head), *picture, *ids] == llama(whole)["input_ids"]
    assert len(roles) == len(ids)
    said = [i for i, role in zip(ids, roles, strict=True) if role == PROMPT]
    assert b"".join(map(codec.bytes_of, said)).decode().strip() == text.strip()


@pytest.mark.parametrize("markup", ["<image>", "</s>", "a <s> b", "<pad><unk>", "<0x0A>"])
def test_markup_that_is_typed_stays_text_for_llama_too(llama, markup):
    codec = TextCodec(llama)
    ids, roles = encode_around(codec, "\n", markup, " ASSISTANT:")
    assert not set(ids) & set(llama.get_added_vocab().values())
    said = [i for i, role in zip(ids, roles, strict=True) if role == PROMPT]
    assert b"".join(map(codec.bytes_of, said)).decode() == markup


def test_a_sequence_starts_as_the_tokenizer_starts_it(llama, codec):
    start = TextCodec(llama)
    assert start.encode_start("USER: ") == llama("USER: ")["input_ids"]
    assert start.encode_start("")[:1] == [1]
    by_template = llama("<s>USER: ", add_special_tokens=False)["input_ids"]
    assert start.encode_start("<s>USER: ") == by_template  # and no second one
    assert codec.encode_start("user") == WORDS("user", add_special_tokens=False)["input_ids"]


def test_a_tokenizer_without_a_backend_is_refused():
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        TextCodec(object())
