"""Text and tokens: user text that stays plain, and tokens that spell whole characters."""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from explainer.errors import ModelError, PromptError
from explainer.run import TEMPLATE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


Piece = tuple[str, int]  # a text and its role


class TextCodec:
    """Turns a user's text into ids and ids into text, for one checkpoint's tokenizer.

    Args:
        tokenizer: a tokenizer with a `tokenizers` backend; `ModelError` if it has none, or if its
            decoder is neither byte-level nor SentencePiece-like.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ModelError(
                f"{type(tokenizer).__name__} has no fast tokenizer; "
                "convert it once to a tokenizer.json and load that"
            )
        self._tokenizer = tokenizer
        self._backend: Tokenizer = tokenizer.backend_tokenizer
        spec = json.loads(self._backend.to_str())
        self._byte_level = "ByteLevel" in _types(spec["decoder"])
        if not self._byte_level and not _types(spec["decoder"]) & {"ByteFallback", "Metaspace"}:
            raise ModelError("the tokenizer's decoder is neither byte-level nor SentencePiece-like")
        self._plain = _without_added_tokens(spec)
        self._added: dict[int, str] = {
            t["id"]: t["content"] for t in spec["added_tokens"] if not self._is_word(t)
        }
        self._opening = _opening(tokenizer)
        self._separator = next((t["content"] for t in spec["added_tokens"] if _is_inert(t)), "")
        longest_first = sorted(self._added.values(), key=len, reverse=True)
        self._markup = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __len__(self) -> int:
        return len(self._tokenizer)

    def _is_word(self, added: dict[str, Any]) -> bool:
        """Return whether an added token is also an ordinary word, such as line breaks of Gemma."""
        plain = self._plain.encode(added["content"], add_special_tokens=False)
        return not added["special"] and plain.ids == [added["id"]]

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Return the tokenizer that the ids are those of."""
        return self._tokenizer

    @property
    def added(self) -> Mapping[int, str]:
        """Return the added tokens by id, including special ones, without ordinary words."""
        return MappingProxyType(self._added)

    def special_id(self, token: str) -> int | None:
        """Return the id of an added token, None if there is none of this text."""
        return next((i for i, content in self._added.items() if content == token), None)

    # Text to ids ---------------------------------------------------------------------------------

    def encode_template(self, text: str) -> list[int]:
        """Return the ids of template text that follows a special token; markup in it counts.

        Some tokenizers put a space before the first word of a sequence, and there only.
        """
        if not text or not self._separator:
            return self._encode(text)
        return self._encode(self._separator + text)[1:]

    def encode_start(self, text: str) -> list[int]:
        """Return the ids of the template text that a sequence starts with.

        The same ids as the tokenizer gives by itself: with its token for the start of a sequence,
        if it sets one and the text does not.
        """
        first = self._tokenizer.bos_token
        opening = [] if first and text.startswith(first) else self._opening
        return [*opening, *self._encode(text)]

    def encode_pieces(
        self, pieces: Sequence[Piece], starts: bool = False
    ) -> tuple[list[int], list[int]]:
        """Return ids and roles of pieces of template and of what was said, in order.

        Special tokens are recognised in the template only, never in other pieces. For ordinary
        texts the ids are those of tokenising the whole string: pieces of template that no special
        token separates from other pieces are tokenised together with them, and a token that holds
        any character of another piece has its role.

        Args:
            pieces: texts and roles; they follow a special token, or start the sequence.
            starts: whether they start the sequence, see `encode_start`.
        """
        ids: list[int] = []
        roles: list[int] = []
        template = ""

        def write_template() -> None:
            encode = self.encode_start if starts and not ids else self.encode_template
            ids.extend(encode(template))
            roles.extend([TEMPLATE] * (len(ids) - len(roles)))

        for run in self._split_at_markup(pieces):
            if all(role == TEMPLATE for _, role in run):
                template += "".join(text for text, _ in run)
                continue
            opens = starts and not ids and not template
            write_template()
            template = ""
            plain = self._plain_start if opens else self._plain
            encoded = plain.encode("".join(text for text, _ in run), add_special_tokens=False)
            ids.extend(encoded.ids)
            roles.extend(_roles_at(encoded.offsets, run))
        write_template()
        return ids, roles

    def _split_at_markup(self, pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
        """Yield markup of the template one by one, and the pieces between, as they touch."""
        touching: list[Piece] = []
        for text, role in pieces:
            if role != TEMPLATE:
                touching.append((text, role))
                continue
            at = 0
            for mark in self._markup.finditer(text):
                touching.append((text[at : mark.start()], TEMPLATE))
                yield touching
                yield [(mark.group(), TEMPLATE)]
                touching, at = [], mark.end()
            touching.append((text[at:], TEMPLATE))
        yield touching

    @cached_property
    def _plain_start(self) -> Tokenizer:
        """Return the plain tokenizer for text that starts a sequence."""
        return _without_added_tokens(json.loads(self._backend.to_str()), follows=False)

    def encode_within(self, text: str) -> list[int]:
        """Return the ids of plain text within a text: no space is put before it.

        Markup in it stays text. Raises `PromptError` if the tokenizer makes another text of it.
        """
        for before in ("", "\n", "."):
            ids = self._plain.encode(before + text, add_special_tokens=False).ids
            for start in range(min(len(ids), 4)):
                spelled = b"".join(map(self.bytes_of, ids[start:])).decode(errors="replace")
                if _same(spelled, text):
                    return ids[start:]
        raise PromptError(
            f"the tokenizer of this model makes another text of {text[:80]!r}; write it without "
            "double spaces and unusual characters"
        )

    def encode_answer(self, text: str) -> list[int]:
        """Return the ids of plain text as an answer, which follows the template's text.

        Where the tokenizer puts a space before a text of its own accord, answers begin with one.
        """
        begins = b"".join(map(self.bytes_of, self._plain.encode("a").ids))
        spaced = begins.startswith(b" ") and not text.startswith(" ")
        return self.encode_within(" " + text if spaced else text)

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"] if text else []

    # Ids to text ---------------------------------------------------------------------------------

    def bytes_of(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; b"" for an id without a token."""
        if token_id in self._added:
            return self._added[token_id].encode()
        token = self._backend.id_to_token(token_id)
        if token is None:
            return b""
        if self._byte_level:
            return bytes(_BYTE_OF[c] for c in token)
        if re.fullmatch(r"<0x[0-9A-F]{2}>", token):
            return bytes([int(token[3:5], 16)])
        return token.replace("▁", " ").encode()

    def piece(self, token_id: int) -> str:
        """Return the text of one token on its own; bytes of a split character as ⟨F0 9F⟩."""
        data = self.bytes_of(token_id)
        if not data:
            return f"⟨{token_id}⟩"
        try:
            return data.decode()
        except UnicodeDecodeError:
            return f"⟨{data.hex(' ').upper()}⟩"

    def texts(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Return one text for each id; together they are the decoded text.

        A character split over several tokens stands whole in the token that holds its first byte.
        Bytes that are no text become replacement characters, whole characters beside them do not.
        """
        texts = [""] * len(ids)
        decoder = TextStream(self)
        owner = 0  # token that holds the first byte of the character under way
        for i, token_id in enumerate(ids):
            for byte in self.bytes_of(token_id):
                waiting = decoder.waiting
                out = decoder.feed_bytes(bytes([byte]))
                if waiting and out:
                    texts[owner] += out[0]
                    out = out[1:]
                texts[i] += out
                if decoder.waiting == 1:
                    owner = i
        texts[owner if decoder.waiting else -1] += decoder.finish()
        return tuple(texts)

    def ordinary(self) -> npt.NDArray[np.bool_]:
        """Return (V,) bool: which ids are real, unspecial vocabulary entries."""
        ids = range(len(self))
        return np.array(
            [i not in self._added and self._backend.id_to_token(i) is not None for i in ids]
        )


class TextStream:
    """Decodes token after token, holding back a character until it is whole."""

    def __init__(self, codec: TextCodec) -> None:
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def waiting(self) -> int:
        """Return the number of bytes of an unfinished character."""
        return len(self._decoder.getstate()[0])

    def feed(self, token_id: int) -> str:
        """Return the text that became whole with this token."""
        return self.feed_bytes(self._codec.bytes_of(token_id))

    def feed_bytes(self, data: bytes) -> str:
        """Return the text that became whole with these bytes."""
        return self._decoder.decode(data)

    def finish(self) -> str:
        """Return what is left: "" or a replacement character."""
        return self._decoder.decode(b"", final=True)


def _same(one: str, other: str) -> bool:
    """Return whether two texts differ at most in how characters with accents are composed."""
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def _types(spec: object) -> set[str]:
    """Return all "type" names in a serialised decoder."""
    if isinstance(spec, dict):
        below = set().union(*map(_types, spec.values())) if spec else set()
        return below | ({spec["type"]} if isinstance(spec.get("type"), str) else set())
    return set().union(*map(_types, spec)) if isinstance(spec, list) and spec else set()


def _is_inert(added: dict[str, Any]) -> bool:
    """Return whether an added token leaves the text around it as it is."""
    return added["special"] and not any(added[k] for k in ("lstrip", "rstrip", "normalized"))


def _opening(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids that the tokenizer puts before every text by itself."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    ids = tokenizer("a")["input_ids"]
    starts = (i for i in range(len(ids)) if ids[i : i + len(plain)] == plain)
    return ids[: next(starts, 0)]


def _roles_at(offsets: Sequence[tuple[int, int]], pieces: Sequence[Piece]) -> list[int]:
    """Return the role of each token at these offsets of the pieces' whole text."""
    ends = np.cumsum([len(text) for text, _ in pieces]).tolist()
    said = [
        (end - len(text), end, role)
        for end, (text, role) in zip(ends, pieces, strict=True)
        if role != TEMPLATE
    ]
    return [
        next((role for a, b, role in said if start < b and stop > a), TEMPLATE)
        for start, stop in offsets
    ]


def _without_added_tokens(spec: dict, follows: bool = True) -> Tokenizer:
    """Return the same tokenizer with no added tokens at all, and offsets that are not trimmed.

    Where a space is put before the first word of a sequence only, none is put before a text that
    `follows` a special token.

    A copy, because the switch that tokenizers offer for this is state shared between threads, and
    spares only those added tokens that are flagged as special.
    """
    bare = {**spec, "added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    if follows:
        bare["pre_tokenizer"] = _never_first(spec["pre_tokenizer"])
    return Tokenizer.from_str(json.dumps(bare))


def _never_first(spec: Any) -> Any:
    """Return a serialised pre-tokenizer that puts no space before the first word of a sequence."""
    if isinstance(spec, list):
        return [_never_first(part) for part in spec]
    if not isinstance(spec, dict):
        return spec
    if spec.get("type") == "Metaspace" and spec.get("prepend_scheme") == "first":
        return {**spec, "prepend_scheme": "never"}
    return {name: _never_first(part) for name, part in spec.items()}


def _byte_of() -> dict[str, int]:
    """Return the byte behind each character of a byte-level vocabulary (the GPT-2 alphabet)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    return {chr(b): b for b in shown} | {chr(256 + i): b for i, b in enumerate(hidden)}


_BYTE_OF = _byte_of()
