"""Ask a model behind an endpoint that speaks OpenAI's chat API with log probabilities.

Such an endpoint does not read a given answer. Two ways remain to learn how probable a token of the
answer is with another picture:

    the first token   ask anew, and look it up among the likeliest first tokens
    a later one       have the endpoint continue the answer up to there by one token. vLLM does so
                      for a last message of the assistant with `continue_final_message`; others
                      refuse that, or begin a new answer, which `EndpointSearch` notices

A token that is not among the likeliest that the endpoint lists (20 at most) counts as 0.
"""

from __future__ import annotations

import base64
import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ValidationError

from explainer.errors import ModelError

KEY = "SIGHTLINE_ENDPOINT_KEY"  # the environment variable with the key
MOST_LISTED = 20  # likeliest tokens, as OpenAI and vLLM allow
_TRIES = 3  # of a call, if the endpoint is busy
_WAIT = 2.0  # seconds before the second try, and twice as long before the third
_TIMEOUT = 120.0  # seconds for an answer
_QUOTED = 200  # characters of what an endpoint says
_LOCAL = ("localhost", "127.0.0.1", "::1")

Pixels = npt.NDArray[np.uint8]


class _Listed(BaseModel):
    token: str
    logprob: float


class _Said(_Listed):
    top_logprobs: list[_Listed] = []


class _Logprobs(BaseModel):
    content: list[_Said] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message = _Message()
    logprobs: _Logprobs | None = None


class _Completion(BaseModel):
    choices: list[_Choice]


@dataclass(frozen=True)
class AnswerToken:
    """A token of an endpoint's answer, and how probable it was."""

    text: str
    probability: float


def spelled(tokens: Sequence[AnswerToken]) -> str:
    """Return the text of tokens."""
    return "".join(token.text for token in tokens)


class CallBudget:
    """How many calls may be made; safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self.most, self.spent = most, 0
        self._lock = Lock()

    def spend(self) -> None:
        """Count a call; raise `ModelError` if there is none left."""
        with self._lock:
            if self.spent >= self.most:
                raise ModelError(f"the budget of {self.most:,} calls is spent")
            self.spent += 1


@dataclass(frozen=True, eq=False)
class ChatEndpoint:
    """A model at an address.

    Attributes:
        address: up to and with the version, such as "http://localhost:8000/v1".
        model: its name there.
        key: sent as a bearer token, "" for none; never shown.
        budget: counts every request, repeated ones too.

    Raises `ModelError` for an address that is none, that holds a password, or to which a key would
    go unencrypted.
    """

    address: str
    model: str
    budget: CallBudget
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.address)
            host = parts.hostname
        except ValueError:
            host = None
        if host is None or parts.scheme not in ("http", "https"):
            raise ModelError("an endpoint is an address such as http://localhost:8000/v1")
        if parts.username is not None or parts.query:
            raise ModelError(f"the address holds a secret; put the key into {KEY}")
        if self.key and parts.scheme == "http" and host not in _LOCAL:
            raise ModelError(f"a key is not sent unencrypted; use https, or unset {KEY}")

    def answer(self, image: Pixels, prompt: str, most: int) -> list[AnswerToken]:
        """Return the tokens of the likeliest answer, at most so many."""
        said, text = self._complete(_messages(image, prompt), most)
        tokens: list[AnswerToken] = []
        for token in said:  # the mark of the end is no part of the text
            if len(spelled(tokens).strip()) < len(text.strip()):
                tokens.append(AnswerToken(token.token, _probability(token)))
        if spelled(tokens).strip() != text.strip():
            raise ModelError("the tokens of the endpoint's answer do not spell it")
        return tokens

    def probability(self, image: Pixels, prompt: str, before: str, token: str) -> float | None:
        """Return how probable a token is after the answer `before`; None if it is not listed."""
        messages, more = _messages(image, prompt), {}
        if before:
            messages.append({"role": "assistant", "content": before})
            more = {"continue_final_message": True, "add_generation_prompt": False}
        said, _ = self._complete(messages, 1, **more)
        listed = [one for first in said[:1] for one in (first, *first.top_logprobs)]
        return next((_probability(one) for one in listed if one.token == token), None)

    def _complete(self, messages: list[Any], most: int, **more: Any) -> tuple[list[_Said], str]:
        """Return the tokens that the endpoint says next, and their text."""
        asked = {
            "model": self.model,
            "messages": messages,
            "max_tokens": most,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": MOST_LISTED,
            **more,
        }
        response = self._post(asked)
        try:
            completion = _Completion.model_validate_json(response.content)
        except ValidationError:
            raise ModelError("the endpoint's answer is not that of a chat completion") from None
        choice = completion.choices[0] if completion.choices else _Choice()
        if choice.logprobs is None or choice.logprobs.content is None:
            raise ModelError("the endpoint gives no log probabilities, which the search needs")
        return choice.logprobs.content, choice.message.content or ""

    def _post(self, asked: Mapping[str, Any]) -> httpx.Response:
        address = f"{self.address.rstrip('/')}/chat/completions"
        for left in reversed(range(_TRIES)):
            self.budget.spend()
            try:
                response = self._client.post(address, json=asked)
            except httpx.HTTPError as error:
                raise ModelError(
                    f"the endpoint does not answer: {self._hide(str(error))}"
                ) from None
            if response.status_code == 200:
                return response
            if not left or response.status_code not in (429, 502, 503):
                break
            time.sleep(_WAIT * 2 ** (_TRIES - 1 - left))
        said = self._hide(" ".join(response.text.split()))[:_QUOTED]
        raise ModelError(f"the endpoint refused with status {response.status_code}: {said}")

    @cached_property
    def _client(self) -> httpx.Client:
        """The client follows no redirects."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.Client(headers=headers, timeout=_TIMEOUT)

    def _hide(self, text: str) -> str:
        """Return a text without the key, which an endpoint may repeat."""
        return text.replace(self.key, "…") if self.key else text


def _probability(token: _Listed) -> float:
    return math.exp(min(0.0, token.logprob))


def _messages(image: Pixels, prompt: str) -> list[Any]:
    """Return a question about a picture, which is sent without loss."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": prompt},
    ]
    return [{"role": "user", "content": content}]
