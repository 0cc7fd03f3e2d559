"""The fixed panel of pictures of an evaluated policy, as files of the parent run.

    panels/policy-0010.png                   to look at, and to link to
    images/panel+step+10+timestamp+...       the same for MLflow's image grid: a slider over policies, beside the curves

MLflow's own `log_image` draws a random name each time, so a replay would show every panel twice. These names follow
from the report, and a replay overwrites a file with itself.
"""

from __future__ import annotations

import io
import uuid

from components.core.layout import policy_name
from components.core.tracking.facts import EvaluationFacts

FILE = "panel.png"
THUMBNAIL = (512, 512)
GRID_TAGS = {"mlflow.loggedImages": "true"}
"""Tells MLflow to look for images/."""


def panel_files(facts: EvaluationFacts, png: bytes) -> dict[str, bytes]:
    """Paths and contents."""
    policy, milliseconds = facts.result.policy, int(facts.committed_at.timestamp() * 1000)
    name = uuid.uuid5(uuid.NAMESPACE_OID, facts.report.content_digest)
    grid = f"images/panel+step+{policy}+timestamp+{milliseconds}+{name}"
    return {
        f"panels/{policy_name(policy)}.png": png,
        f"{grid}.png": png,
        f"{grid}+compressed.webp": _thumbnail(png),
    }


def _thumbnail(png: bytes) -> bytes:
    from PIL import Image  # comes with mlflow

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail(THUMBNAIL)
    data = io.BytesIO()
    image.save(data, "WEBP", quality=90)
    return data.getvalue()
