"""The reward server's three pages. One reward a process, asked for one batch at a time: it may have but one GPU.

400 no request of this schema   401 no token, or another   411, 413 unknown or too large a body, too many pictures
422 a picture that is wrong, or the reward ended with 64, 65 or 66   503 it is busy   500 what nobody foresaw

Every refusal is a `Failure` in JSON, and none repeats what was sent.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from components.core.errors import BadRequest, StepError
from components.scoring.scorer import Scorer
from components.scoring.server import protocol
from components.scoring.server.protocol import Failure, Health, Identity, Limits, ScoreAnswer, ScoreRequest

log = logging.getLogger(__name__)

HEALTH = "/health"
"""The one page that needs no token: it tells nothing but that somebody is there."""


def make_app(scorer: Scorer, *, token: str | None, limits: Limits | None = None) -> FastAPI:
    """The application. Without a token everybody who reaches it may ask."""
    app = FastAPI(title=f"ddpo reward {scorer.name}", version=str(protocol.VERSION), docs_url=None, redoc_url=None)
    limits = limits or Limits()
    one_at_a_time = threading.Lock()

    @app.get(HEALTH)
    def health() -> Health:
        return Health()

    @app.get("/identity")
    def identity() -> Identity:
        return Identity(name=scorer.name, scorer_id=scorer.id, description=scorer.description, limits=limits)

    @app.post("/v1/score")
    def score(asked: ScoreRequest) -> ScoreAnswer:
        if len(asked.pictures) > limits.pictures:
            raise HTTPException(413, f"{len(asked.pictures)} pictures, and at most {limits.pictures} may be asked for")
        pictures = [protocol.unpack(one) for one in asked.pictures]
        with one_at_a_time:
            scores = scorer.scores([one.prompt for one in asked.pictures], pictures)
        return ScoreAnswer(
            scorer_id=scorer.id,
            scores=tuple(protocol.answered(one, got) for one, got in zip(asked.pictures, scores, strict=True)),
        )

    _guard(app, token, limits)
    _answer_failures(app)
    return app


def _guard(app: FastAPI, token: str | None, limits: Limits) -> None:
    """Refuse strangers and large bodies before anything of them is read."""

    @app.middleware("http")
    async def gate(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if token is not None and request.url.path != HEALTH and not _has(request, token):
            return _failure(401, "this reward server wants a token", headers={"WWW-Authenticate": "Bearer"})
        if request.method == "POST":
            length = request.headers.get("Content-Length", "")
            if not length.isdecimal():
                return _failure(411, "a request without Content-Length")
            if int(length) > limits.megabytes * 10**6:
                return _failure(413, f"{int(length) / 1e6:.0f} MB, and at most {limits.megabytes} may be sent")
        return await go_on(request)


def _has(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), token.encode())


def _answer_failures(app: FastAPI) -> None:
    @app.exception_handler(StepError)
    async def step_error(request: Request, error: StepError) -> Response:
        return _failure(503 if error.retried else 422, str(error), exit_code=error.exit_code)

    @app.exception_handler(RequestValidationError)
    async def no_request(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return _failure(400, f"no request of version {protocol.VERSION}: {place}: {first['msg']}", BadRequest.exit_code)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return _failure(error.status_code, str(error.detail))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        return _failure(500, f"{type(error).__name__} in the reward server: see its log")


def _failure(
    status: int, error: str, exit_code: int | None = None, *, headers: dict[str, str] | None = None
) -> Response:
    body = Failure(error=" ".join(error.split())[:500], exit_code=exit_code)
    return JSONResponse(body.model_dump(mode="json"), status, headers)
