"""Build a `tokenizers` backend from a SentencePiece `tokenizer.model`, without SentencePiece.

The file is one protocol buffer message: the vocabulary with scores and kinds, the training
settings, and the normalisation of text. Only byte-pair models are supported, which language models
with such a file use. Field numbers are those of sentencepiece_model.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers

from explainer.errors import ModelError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_BPE = 2


@dataclass(frozen=True)
class VocabularyPiece:
    """One entry of the vocabulary; its id is its place in the file."""

    text: str
    score: float
    kind: int


@dataclass(frozen=True)
class SentencePieceModel:
    """The content of a `tokenizer.model` that tokenising needs."""

    pieces: tuple[VocabularyPiece, ...]
    byte_fallback: bool
    dummy_prefix: bool
    squeeze_spaces: bool
    charsmap: bytes


def read_model(path: Path) -> SentencePieceModel:
    """Read a `tokenizer.model`; raise `ModelError` if it is damaged or not byte-pair."""
    try:
        fields = list(_fields(path.read_bytes()))
        pieces = tuple(_piece(_bytes(value)) for number, value in fields if number == 1)
        trainer = dict(_fields(_last(fields, 2)))
        normalizer = dict(_fields(_last(fields, 3)))
        charsmap = _bytes(normalizer.get(2, b""))
    except (IndexError, KeyError, ValueError, TypeError, struct.error) as error:
        raise ModelError(f"{path.name} is damaged or no SentencePiece model") from error
    if not pieces or trainer.get(3, 1) != _BPE:
        raise ModelError(f"{path.name} is no byte-pair SentencePiece model; only those are read")
    return SentencePieceModel(
        pieces,
        byte_fallback=bool(trainer.get(35, 0)),
        dummy_prefix=bool(normalizer.get(3, 1)),
        squeeze_spaces=bool(normalizer.get(4, 1)),
        charsmap=charsmap,
    )


def build_backend(model: SentencePieceModel, added: Mapping[int, AddedToken]) -> Tokenizer:
    """Return a tokenizer with the ids of the model.

    Args:
        model: the SentencePiece model.
        added: further tokens by id; one with the id of a piece takes its place.

    Raises:
        ModelError: the ids leave gaps.
    """
    texts = [added[i].content if i in added else p.text for i, p in enumerate(model.pieces)]
    unknown = next((t for t, p in zip(texts, model.pieces, strict=True) if p.kind == UNKNOWN), None)
    backend = Tokenizer(
        models.BPE(
            vocab={text: i for i, text in enumerate(texts)},
            merges=_merges(model.pieces, added),
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=model.byte_fallback,
        )
    )
    backend.normalizer = _normalizer(model)
    backend.decoder = _decoder(model)
    tokens = dict(added)
    for i, piece in enumerate(model.pieces):
        if piece.kind in (UNKNOWN, CONTROL, USER_DEFINED):
            special = piece.kind != USER_DEFINED
            tokens.setdefault(i, AddedToken(piece.text, special=special, normalized=False))
    for i, token in sorted(tokens.items()):
        backend.add_tokens([token])
        if backend.token_to_id(token.content) != i:
            raise ModelError(f"the id {i} of {token.content} does not fit to tokenizer.model")
    return backend


def _merges(
    pieces: tuple[VocabularyPiece, ...], added: Mapping[int, AddedToken]
) -> list[tuple[str, str]]:
    """Return all pairs of pieces that form a piece, in order of merging.

    SentencePiece joins the neighbours whose union has the best score. Control, unknown and byte
    pieces never result from text, nor do those replaced by an added token.
    """
    usable = {
        p.text: p.score
        for i, p in enumerate(pieces)
        if p.kind in (NORMAL, USER_DEFINED, UNUSED) and i not in added
    }
    pairs = [
        (-score, text[:cut], text[cut:])
        for text, score in usable.items()
        for cut in range(1, len(text))
        if text[:cut] in usable and text[cut:] in usable
    ]
    # The sort is stable: of several cuts of one piece, the one with the shorter left side is first.
    return [(left, right) for _, left, right in sorted(pairs, key=lambda pair: pair[0])]


def _normalizer(model: SentencePieceModel) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = []
    if model.charsmap:
        steps.append(normalizers.Precompiled(model.charsmap))
    if model.squeeze_spaces:
        steps.append(normalizers.Replace(Regex(r"\A +| +\z"), ""))
        steps.append(normalizers.Replace(Regex(" {2,}"), " "))
    if model.dummy_prefix:
        steps.append(normalizers.Prepend("▁"))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])


def _decoder(model: SentencePieceModel) -> decoders.Decoder:
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if model.dummy_prefix:
        steps.append(decoders.Strip(content=" ", left=1))
    return decoders.Sequence(steps)


# Protocol buffers --------------------------------------------------------------------------------


def _piece(data: bytes) -> VocabularyPiece:
    fields = dict(_fields(data))
    score = struct.unpack("<f", _bytes(fields[2]))[0] if 2 in fields else 0.0
    kind = fields.get(3, NORMAL)
    if not isinstance(kind, int):
        raise ValueError("the kind of a piece is no number")
    return VocabularyPiece(_bytes(fields[1]).decode("utf-8"), score, kind)


def _bytes(value: int | bytes) -> bytes:
    """Return a value that has to be bytes; `ValueError` for a number."""
    if isinstance(value, int):
        raise ValueError("a number in place of bytes")
    return value


def _last(fields: list[tuple[int, int | bytes]], number: int) -> bytes:
    """Return the last value of a message-valued field; of an absent one, an empty message."""
    return next((_bytes(value) for key, value in reversed(fields) if key == number), b"")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of a message: an int for a varint, else the bytes as they are."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("cut short")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the integer that starts at `at`, and the position after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
