"""Serve a reward: python -m components.scoring.server --reward NAME [--options JSON] [--host H] [--port P].

It listens once the reward is loaded. DDPO_REWARD_TOKEN holds the token that clients must bring; without one it listens
on this machine's own address only. Weights, options and versions make its identity: GET /identity.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import sys
from collections.abc import Sequence

import uvicorn
from pydantic import JsonValue

from components.core.config import RewardConfig
from components.core.errors import BadRequest, StepError
from components.scoring import endpoints
from components.scoring.scorer import load_scorers
from components.scoring.server.app import make_app
from components.scoring.server.protocol import TOKEN_VARIABLE, Limits

QUEUE = 32
"""Connections at once; more are answered 503, and come again."""
IDLE_SECONDS = 75
"""How long a connection may rest: a client waits for pictures to be drawn, and need not connect again each time."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM. Returns the exit code: 0, or that of what is wrong, after one line on stderr."""
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    logging.getLogger("components").setLevel(logging.INFO)
    try:
        config = server(parsed)
    except StepError as error:
        print(f"reward server: {error}", file=sys.stderr)
        return error.exit_code
    uvicorn.Server(config).run()
    return 0


def server(parsed: argparse.Namespace) -> uvicorn.Config:
    """The reward, loaded, and how it is served.

    Raises BadRequest for an address that others reach without a token, and whatever the reward says.
    """
    token = endpoints.token(TOKEN_VARIABLE)
    if token is None and not is_loopback(parsed.host):
        raise BadRequest(f"{parsed.host} is reached from elsewhere: set {TOKEN_VARIABLE}", hint="or use 127.0.0.1")
    (scorer,) = load_scorers([RewardConfig(name=parsed.reward, options=_object(parsed.options))])
    limits = Limits(pictures=parsed.max_pictures, megabytes=parsed.max_megabytes)
    return uvicorn.Config(
        make_app(scorer, token=token, limits=limits),
        host=parsed.host,
        port=parsed.port,
        ssl_certfile=parsed.certificate,
        ssl_keyfile=parsed.key,
        limit_concurrency=QUEUE,
        timeout_keep_alive=IDLE_SECONDS,
        server_header=False,
        log_level="info",
    )


def _object(text: str) -> dict[str, JsonValue]:
    try:
        options = json.loads(text)
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise BadRequest(f"--options {text!r:.100} is no JSON object")
    return options


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("reward.example.org")
    (True, True, False, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parser() -> argparse.ArgumentParser:
    limits = Limits()
    parser = argparse.ArgumentParser(
        prog="python -m components.scoring.server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--reward", required=True, help="a registered name, or package.module:Class")
    parser.add_argument("--options", default="{}", metavar="JSON", help="its options, as in a config [%(default)s]")
    parser.add_argument("--host", default="127.0.0.1", help="address; any but loopback wants a token [%(default)s]")
    parser.add_argument("--port", type=int, default=8700, help="0 takes a free one [%(default)s]")
    parser.add_argument("--certificate", help="PEM file: speak TLS; or leave that to what stands before it")
    parser.add_argument("--key", help="PEM file of the certificate's key")
    parser.add_argument("--max-pictures", type=int, default=limits.pictures, help="in a request [%(default)s]")
    parser.add_argument("--max-megabytes", type=int, default=limits.megabytes, help="of a request [%(default)s]")
    return parser


if __name__ == "__main__":
    sys.exit(main())
