"""Make a version again that MLflow has lost: python -m components.registration.again --registration <URI>.

The registration stays committed as it is; only MLflow is asked, and a version that is there is left alone. For a
registry that was emptied, or a version that somebody deleted while it is a model's champion.
"""

from __future__ import annotations

import sys

from components.core import store
from components.core.contracts import RegistrationRequest
from components.registration.command import Parser, answer
from components.registration.lineage import read_lineage
from components.registration.model_card import model_card
from components.registration.step import make_version, panel_of


def register_again(registration: str) -> dict[str, str]:
    """The version of a committed registration, made anew where it is gone; its tags.

    Raises MissingInput if nothing is committed at the prefix.
    """
    request = RegistrationRequest.model_validate(store.open_committed(registration).manifest.request)
    lineage = read_lineage(request)
    return make_version(lineage, model_card(lineage), panel_of(lineage))


def main() -> int:
    """Command line; see `--help`."""
    parser = Parser(prog="python -m components.registration.again", description=__doc__)
    parser.add_argument("--registration", required=True, metavar="URI", help="prefix of the committed registration")
    registration = parser.parse_args().registration
    return answer(lambda: f"policy {register_again(registration)['ddpo.policy_id']:.12} is registered")


if __name__ == "__main__":
    sys.exit(main())
