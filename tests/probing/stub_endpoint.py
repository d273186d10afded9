"""A server that speaks OpenAI's chat API, in front of the model of a recorded run."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
from PIL import Image

from explainer.attribution.reading import recorded_inputs
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, Run

LISTED = 20


class StubEndpoint:
    """Answers about any picture of the run's size as the model of the run does.

    Attributes:
        continues: whether a begun answer is continued, or a new one begun.
        fails: statuses of the next answers.
        heard: headers of all requests.
    """

    def __init__(self, explainer: Explainer, run: Run) -> None:
        self.engine, self.run = explainer._engine, run
        self.answer = run.indices(ANSWER).tolist()
        self.texts = [run.tokens.texts[token] for token in self.answer]
        self.continues, self.fails, self.heard = True, [], []
        self.address = ""

    def listed(self, image: np.ndarray, before: str) -> list[tuple[str, float]]:
        """Return the likeliest tokens after a begun answer, with their probabilities."""
        starts = ["".join(self.texts[:i]) for i in range(len(self.texts))]
        token = self.answer[starts.index(before if self.continues else "")]
        inputs = recorded_inputs(self.engine.family, replace(self.run, images=(image,)))
        at = int(self.run.tokens.positions[token]) - 1
        states = self.engine.reread([inputs], [at])[-1][0]
        ranking = self.engine.rank(states, [int(self.run.tokens.ids[token])], LISTED, LISTED)
        pieces = [self.engine.family.codec.piece(int(i)) for i in ranking.topk[0]]
        return list(zip(pieces, map(float, ranking.candidate_probs[0]), strict=True))

    def complete(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return a completion for a request."""
        question, *begun = asked["messages"]
        picture, prompt = question["content"]
        assert prompt == {"type": "text", "text": self.run.prompt}
        assert asked["logprobs"]
        assert asked["top_logprobs"] == LISTED
        if asked["max_tokens"] > 1:
            probs = map(float, self.run.probs[self.answer])
            said = [_entry(*one) for one in zip(self.texts, probs, strict=True)]
            said.append(_entry("<|im_end|>", 0.99))
            return _completion(said, "".join(self.texts))
        assert asked.get("continue_final_message", False) is bool(begun)
        data = base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/png;base64,"))
        image = np.asarray(Image.open(io.BytesIO(data)))
        listed = self.listed(image, begun[0]["content"] if begun else "")
        top = [_entry(*one) for one in listed]
        return _completion([{**top[0], "top_logprobs": top}], listed[0][0])

    @contextmanager
    def serving(self) -> Iterator[StubEndpoint]:
        """Serve within the block, at `address`."""
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stub.heard.append((self.path, dict(self.headers)))
                status = stub.fails.pop(0) if stub.fails else 200
                told: Any = {"error": {"message": f"no: {self.headers.get('Authorization')}"}}
                told = stub.complete(json.loads(body)) if status == 200 else told
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(told).encode())

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{server.server_port}/v1"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


def _entry(token: str, probability: float) -> dict[str, Any]:
    return {"token": token, "logprob": float(np.log(max(probability, 1e-30)))}


def _completion(said: list[dict[str, Any]], text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"id": "1", "choices": [{"message": message, "logprobs": {"content": said}}]}
