"""IAM's evaluation of a call, as far as this project's policies need it.

After "Policy evaluation logic" of the IAM user guide: an explicit Deny of any policy wins; then one Allow of the
identity is enough; else the call is refused. A condition's operator that is not here is an error, not a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """One request to AWS. `context` holds the condition keys that the request carries, by their lower-case names."""

    action: str
    resource: str
    principal: str
    context: Mapping[str, str] = field(default_factory=dict)


def allowed(call: Call, identity: Policy, resource: Policy | None = None) -> bool:
    """Whether a call goes through: `identity` is the caller's own policy, `resource` the bucket's."""
    effects = {s["Effect"] for policy in (identity, resource or {"Statement": []}) for s in matching(call, policy)}
    granted = any(statement["Effect"] == "Allow" for statement in matching(call, identity))
    return granted and "Deny" not in effects


def matching(call: Call, policy: Policy) -> list[dict[str, Any]]:
    """The statements that speak of this call."""
    context = {**call.context, "aws:principalarn": call.principal}
    return [
        statement
        for statement in policy["Statement"]
        if any(like(pattern.lower(), call.action.lower()) for pattern in many(statement["Action"]))
        and any(like(pattern, call.resource) for pattern in many(statement["Resource"]))
        and statement.get("Principal", "*") == "*"
        and all(
            holds(operator, many(wanted), context.get(key.lower()))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    ]


def holds(operator: str, wanted: Iterable[str], given: str | None) -> bool:
    """One condition. A key that the request lacks fails every operator but `Null` and the negated ones.

    >>> holds("Null", ["true"], None), holds("Null", ["true"], "*"), holds("ArnNotLike", ["arn:a:*"], "arn:a:b")
    (True, False, False)
    """
    match operator:
        case "Null":
            return (given is None) == (next(iter(wanted)) == "true")
        case "Bool":
            return given in wanted
        case "StringEquals":
            return given in wanted
        case "ArnNotLike":
            return given is None or not any(like(pattern, given) for pattern in wanted)
    raise NotImplementedError(f"condition operator {operator}")


def like(pattern: str, text: str) -> bool:
    """`*` is any text and `?` any one character, slashes too.

    >>> like("a/*/c", "a/b/b/c"), like("a/?", "a/b"), like("a/?", "a/bc")
    (True, True, False)
    """
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def many(value: str | list[str]) -> list[str]:
    """IAM writes one value as a string."""
    return [value] if isinstance(value, str) else value


def document(text: str) -> Policy:
    """A policy from its JSON."""
    policy: Policy = json.loads(text)
    return policy
