"""SentencePiece as its authors describe it: a writer of `tokenizer.model`, and byte-pair encoding.

Independent of `explainer.models.text.sentencepiece` and slow: at each step the best-scored union of
two neighbours is made, the leftmost first, until no union is in the vocabulary.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from explainer.models.text.sentencepiece import BYTE, CONTROL, NORMAL, UNKNOWN, VocabularyPiece

START = (
    VocabularyPiece("<unk>", 0.0, UNKNOWN),
    VocabularyPiece("<s>", 0.0, CONTROL),
    VocabularyPiece("</s>", 0.0, CONTROL),
    *(VocabularyPiece(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)),
)
_WORDS = (
    "▁a ▁the ▁is ▁in ▁th ▁i ▁cat ▁ca at he in er on or th is us user system assistant sys tem as "
    "sist ant ass ist se pic ture picture red ed the\n er\n em\n ▁▁ ▁▁▁ ▁▁▁▁ 是 图片 图 片"
)
WORDS = _WORDS.split(" ")


def pieces(words: Sequence[str] = WORDS) -> list[VocabularyPiece]:
    """Return a vocabulary: what every model has, the words, then all their characters."""
    texts = list(dict.fromkeys([*words, *(c for word in words for c in word), "<", ">", "x"]))
    return [*START, *(VocabularyPiece(text, -float(i), NORMAL) for i, text in enumerate(texts))]


def write(
    path: Path,
    vocabulary: Sequence[VocabularyPiece],
    kind: int = 2,
    dummy_prefix: bool = False,
    squeeze_spaces: bool = False,
) -> Path:
    """Write a `tokenizer.model`; `kind` 2 is byte-pair, 1 unigram."""
    data = b"".join(
        _field(
            1,
            _field(1, p.text.encode())
            + _key(2, 5)
            + struct.pack("<f", p.score)
            + (b"" if p.kind == NORMAL else _key(3, 0) + _varint(p.kind)),
        )
        for p in vocabulary
    )
    trainer = _key(3, 0) + _varint(kind) + _field(2, b"a-name") + _key(35, 0) + _varint(1)
    flags = ((3, dummy_prefix), (4, squeeze_spaces))
    normalizer = b"".join(_key(n, 0) + _varint(int(value)) for n, value in flags)
    path.write_bytes(data + _field(2, trainer) + _field(3, _field(1, b"identity") + normalizer))
    return path


def encode(
    text: str,
    vocabulary: Sequence[VocabularyPiece],
    dummy_prefix: bool = False,
    squeeze_spaces: bool = False,
) -> list[int]:
    """Return the ids of text without special tokens."""
    if squeeze_spaces:
        text = " ".join(part for part in text.split(" ") if part)
    text = ("▁" if dummy_prefix and text else "") + text.replace(" ", "▁")
    scores = {p.text: p.score for p in vocabulary if p.kind == NORMAL}
    symbols = list(text)
    while True:
        unions = [
            (-scores[union], i)
            for i in range(len(symbols) - 1)
            if (union := symbols[i] + symbols[i + 1]) in scores
        ]
        if not unions:
            break
        _, i = min(unions)
        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]
    ids = {p.text: i for i, p in enumerate(vocabulary)}
    out: list[int] = []
    for symbol in symbols:
        found = symbol in scores
        out += [ids[symbol]] if found else [ids[f"<0x{b:02X}>"] for b in symbol.encode()]
    return out


def _field(number: int, data: bytes) -> bytes:
    return _key(number, 2) + _varint(len(data)) + data


def _key(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
