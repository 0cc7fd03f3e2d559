"""A captioner behind HTTP: OpenAI-style chat completions, the picture as a PNG in a data URL.

no answer, 5xx, 408, 429, no JSON, no chat completion   asked again with back-off, up to `attempts`; then unanswered
an answer without words                                 empty: `ask` asks once more
400, 413, 422                                           unanswered: the service refuses this one picture
401, 403, 404, another status                           BadRequest: it refuses them all

A service that is away when the step begins is Unavailable; one that does not serve the model is a BadRequest.
"""

# N pictures
from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx2 as httpx
from PIL import Image
from pydantic import BaseModel, JsonValue, ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from components.core.errors import BadRequest, Unavailable
from components.scoring import endpoints
from components.scoring.rewards.captioners.captioner import Unanswered
from components.scoring.rewards.captioners.options import ChatServiceOptions

log = logging.getLogger(__name__)

URL_VARIABLE = "DDPO_CAPTIONER_URL"
TOKEN_VARIABLE = "DDPO_CAPTIONER_TOKEN"  # the name of a variable
LONGEST_WAIT = 30.0
"""Seconds between two attempts, at most."""
BUSY = (408, 425, 429)
"""Refusals that another attempt may not meet."""
OF_ONE_PICTURE = (400, 413, 422)
"""Refusals that say nothing about the next picture."""
ASKED = "one user message at temperature 0: the picture as PNG, then the question"
"""How a question is put. Part of the identity."""


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message


class _Completion(BaseModel):
    """Of a chat completion, what is read."""

    choices: list[_Choice]


class _ServedModel(BaseModel):
    """Of an entry of /models, what tells two models apart: not the times and random ids that services put there."""

    id: str
    root: str | None = None
    parent: str | None = None
    owned_by: str | None = None


class _ServedModels(BaseModel):
    data: list[_ServedModel]


Answer = TypeVar("Answer", _Completion, _ServedModels)


class _NoAnswer(Exception):
    """Nothing usable came back, and another attempt may fare better."""


class _RefusedPictureError(Exception):
    """The service does not want this picture."""


class ChatService:
    """Asks one question a request, a few at a time."""

    answers_any_question = True

    def __init__(self, options: ChatServiceOptions) -> None:
        url, token = endpoints.endpoint(
            URL_VARIABLE,
            TOKEN_VARIABLE,
            options.service,
            hint="it says where the captioner is: http://captioner:8000/v1",
        )
        self._options = options
        self._place = f"the captioner at {url}"
        self._attempts = options.attempts
        self._client = httpx.Client(
            base_url=url,
            timeout=options.timeout,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            follow_redirects=False,  # the token goes to the service that was named, and to no other
        )
        self._served = self._introduce()

    def identity(self) -> dict[str, JsonValue]:
        """The model as asked for, what the service says it is, and how a question is put. Not where the service is."""
        return {"model": self._options.model, "served": self._served.model_dump(), "asked": ASKED}

    def answer(
        self, pictures: list[Image.Image], questions: list[str], *, again: bool = False
    ) -> list[str | Unanswered]:
        """One answer a picture, in order."""
        with ThreadPoolExecutor(self._options.parallel) as threads:
            return list(threads.map(self._answer_one, pictures, questions))

    def _answer_one(self, picture: Image.Image, question: str) -> str | Unanswered:
        body = _chat(self._options, picture, question)
        try:
            completion = self._retrying(lambda: self._request(_Completion, "POST", "/chat/completions", body))
        except _RefusedPictureError as error:
            return Unanswered(str(error))
        except _NoAnswer as error:
            self._attempts = 1  # until it answers again: a service that is away is not waited for picture by picture
            log.warning("%s gave no answer: %s", self._place, error)
            return Unanswered(str(error))
        self._attempts = self._options.attempts
        return completion.choices[0].message.content or ""

    def _introduce(self) -> _ServedModel:
        try:
            models = self._retrying(lambda: self._request(_ServedModels, "GET", "/models"))
        except _NoAnswer as error:
            raise Unavailable(f"{self._place} does not answer: {error}") from None
        for model in models.data:
            if model.id == self._options.model:
                return model
        served = ", ".join(model.id for model in models.data) or "nothing"
        raise BadRequest(f"{self._place} does not serve {self._options.model}", hint=f"it serves {served}")

    def _retrying(self, ask: Callable[[], Answer]) -> Answer:
        attempts = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=wait_random_exponential(multiplier=self._options.backoff, max=LONGEST_WAIT),
            retry=retry_if_exception_type(_NoAnswer),
            reraise=True,
        )
        return attempts(ask)

    def _request(self, kind: type[Answer], method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        try:
            response = self._client.request(method, path, json=body)
        except httpx.RequestError as error:
            raise _NoAnswer(f"{type(error).__name__}: {error}") from None
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        try:
            answer = kind.model_validate_json(response.content)
        except ValidationError as error:
            raise _NoAnswer(f"the answer is no {kind.__name__.strip('_')}: {error.errors()[0]['msg']}") from None
        if isinstance(answer, _Completion) and not answer.choices:
            raise _NoAnswer("the answer is no Completion: it has no choices")
        return answer


def _chat(options: ChatServiceOptions, picture: Image.Image, question: str) -> dict[str, Any]:
    file = io.BytesIO()
    picture.save(file, format="PNG", compress_level=1)
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question}]
    return {
        "model": options.model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0,
        "max_tokens": options.max_new_tokens,
    }


def _refusal(response: httpx.Response) -> Exception:
    """What a status that is not 200 means. What the service wrote is cut: it may repeat the picture."""
    said = f"the captioner answered {response.status_code}: {' '.join(response.text.split())[:200]}"
    if response.status_code >= 500 or response.status_code in BUSY:
        return _NoAnswer(said)
    if response.status_code in OF_ONE_PICTURE:
        return _RefusedPictureError(said)
    return BadRequest(said, hint=f"is {TOKEN_VARIABLE} the service's?" if response.status_code in (401, 403) else "")
