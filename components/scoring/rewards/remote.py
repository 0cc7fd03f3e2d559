"""Another machine's reward: asked over HTTP, a few pictures at a time. docs/reward-server.md is the other side.

no answer, 5xx, 408, 429, no JSON   asked again with back-off, up to `attempts`; then these pictures are missing
an answer without a score           asked once more; then missing
NaN, infinite, null                 that picture is missing
another number, another order       BadData: nobody knows which score is whose
another scorer id than at the start BadData: two ids never mix in one history
401, 403, 404, another 4xx          BadRequest, or what the server's reward ended with

A server that is away when the step begins is Unavailable: who scores must be known before anything is scored.
"""

# N pictures
from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import httpx2 as httpx
from PIL import Image
from pydantic import Field, JsonValue, ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from components.core.config import Contract
from components.core.errors import BadData, BadRequest, MissingInput, StepError, Unavailable
from components.core.records import PromptRow
from components.scoring import endpoints
from components.scoring.rewards.reward import Score
from components.scoring.server import protocol
from components.scoring.server.protocol import Answered, Asked, Failure, Identity, ScoreAnswer, ScoreRequest

log = logging.getLogger(__name__)

URL_VARIABLE = "DDPO_REWARD_URL"
LONGEST_WAIT = 30.0
"""Seconds between two attempts, at most."""
PACKERS = 4
"""Threads that encode pictures."""
BUSY = (408, 429)
"""Refusals that another attempt may not meet."""
FINAL = {kind.exit_code: kind for kind in (BadRequest, BadData, MissingInput)}
"""What a server's reward may end with, and no attempt can mend."""


class RemoteOptions(Contract):
    """Which server, and how patiently. Where it is, and its token, stand in the environment: they are no part of a run.

    The excluded ones decide how long it takes, and never what a picture gets: they are not part of the identity.
    """

    server: str = Field(default="", pattern=r"^[A-Z0-9_]*$", exclude=True)
    """Empty: DDPO_REWARD_URL and DDPO_REWARD_TOKEN say where. `HPS`: DDPO_REWARD_URL_HPS and DDPO_REWARD_TOKEN_HPS."""
    scorer_id: str | None = None
    """Whom the server must be (GET /identity); another is refused. None takes whoever is there when a step begins."""
    timeout: float = Field(default=60.0, gt=0, exclude=True)
    """Seconds without a sign of the server, after which an attempt is given up."""
    attempts: int = Field(default=4, ge=1, exclude=True)
    """Times that one request is sent; 1 never tries again."""
    backoff: float = Field(default=1.0, ge=0, exclude=True)
    """Seconds: upper end of the random wait before the second attempt. It doubles each time, up to 30."""
    batch: int = Field(default=16, ge=1, exclude=True)
    """Pictures in one request; the server's own limit wins where it is lower."""


class Remote:
    """The reward of a server."""

    Options = RemoteOptions

    def __init__(self, options: RemoteOptions) -> None:
        self._options = options
        url, token = endpoints.endpoint(
            URL_VARIABLE,
            protocol.TOKEN_VARIABLE,
            options.server,
            hint="it says where the reward server is: docs/reward-server.md",
        )
        self._place = f"the reward server at {url}"
        self._client = httpx.Client(
            base_url=url,
            timeout=options.timeout,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            follow_redirects=False,  # the token goes to the server that was named, and to no other
        )
        self._attempts = options.attempts
        self._server = self._introduce()

    def identity(self) -> dict[str, JsonValue]:
        """The server's: asked when the step begins, and the same in every answer."""
        served = self._server
        return {"name": served.name, "scorer_id": served.scorer_id, "description": served.description}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """What the server says of each; missing where it says nothing."""
        size = min(self._options.batch, self._server.limits.pictures)
        with ThreadPoolExecutor(PACKERS) as packers:  # the next request is packed while the server has this one
            asked = packers.map(protocol.pack, pictures, prompts)
            return [score for _ in range(0, len(pictures), size) for score in self._ask(list(islice(asked, size)))]

    def _ask(self, asked: list[Asked]) -> list[Score]:
        try:
            answer = self._retrying(lambda: self._scores(asked))
            if not answer.scores:
                log.warning("%s gave no score at all: asking once more", self._place)
                answer = self._retrying(lambda: self._scores(asked))
        except _NoAnswer as error:
            self._attempts = 1  # until it answers again: a server that is away is not waited for picture by picture
            log.warning("%s: %d pictures are missing: %s", self._place, len(asked), error)
            return [Score.missing(str(error))] * len(asked)
        self._attempts = self._options.attempts
        if not answer.scores:
            return [Score.missing("the server gave no score, twice")] * len(asked)
        _check_order(asked, answer.scores)
        return [Score(got.reward, got.parts, got.error) for got in answer.scores]

    def _scores(self, asked: list[Asked]) -> ScoreAnswer:
        body = ScoreRequest.model_construct(pictures=tuple(asked)).model_dump_json().encode()
        answer = self._request(ScoreAnswer, "POST", "/v1/score", content=body)
        if answer.scores and answer.scorer_id != self._server.scorer_id:
            raise BadData(
                f"the reward server was {self._server.scorer_id} and is now {answer.scorer_id}",
                hint="two scorers never mix in one history: serve the first again, or begin a new run",
            )
        return answer

    def _introduce(self) -> Identity:
        try:
            served = self._retrying(lambda: self._request(Identity, "GET", "/identity"))
        except _NoAnswer as error:
            raise Unavailable(f"{self._place} does not answer: {error}") from None
        if self._options.scorer_id not in (None, served.scorer_id):
            raise BadRequest(f"the reward server is {served.scorer_id}, not {self._options.scorer_id}")
        return served

    def _retrying(self, ask: Callable[[], Answer]) -> Answer:
        attempts = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=wait_random_exponential(multiplier=self._options.backoff, max=LONGEST_WAIT),
            retry=retry_if_exception_type(_NoAnswer),
            reraise=True,
        )
        return attempts(ask)

    def _request(self, kind: type[Answer], method: str, path: str, content: bytes | None = None) -> Answer:
        try:
            response = self._client.request(
                method, path, content=content, headers={"Content-Type": "application/json"} if content else None
            )
        except httpx.RequestError as error:
            raise _NoAnswer(f"{type(error).__name__}: {error}") from None
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        if not response.content and kind is ScoreAnswer:
            return kind.model_validate({"scorer_id": "", "scores": ()})
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "answer"
            raise _NoAnswer(f"the answer is no {kind.__name__}: {place}: {first['msg']}") from None


Answer = TypeVar("Answer", ScoreAnswer, Identity)


class _NoAnswer(Exception):
    """Nothing usable came back, and another attempt may fare better."""


def _refusal(response: httpx.Response) -> Exception:
    """What a status that is not 200 means."""
    try:
        failure = Failure.model_validate_json(response.content)
    except ValidationError:
        failure = Failure(error=response.reason_phrase)
    said = f"the reward server answered {response.status_code}: {failure.error[:300]}"
    if response.status_code >= 500 or response.status_code in BUSY:
        return _NoAnswer(said)
    if response.status_code in (401, 403):
        return BadRequest(said, hint=f"is {protocol.TOKEN_VARIABLE} the server's?")
    kind: type[StepError] = FINAL.get(failure.exit_code or 0, BadRequest)
    return kind(said)


def _check_order(asked: Sequence[Asked], scores: Sequence[Answered]) -> None:
    if len(scores) != len(asked):
        raise BadData(f"the reward server gave {len(scores)} scores for {len(asked)} pictures")
    for one, got in zip(asked, scores, strict=True):
        if (got.sample_id, got.picture_sha256) != (one.prompt.sample_id, one.picture_sha256):
            raise BadData(f"the reward server answered for {got.sample_id} where {one.prompt.sample_id} was asked for")
