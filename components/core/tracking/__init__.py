"""MLflow as a projection of the store: all of it follows from committed manifests.

    store  ->  facts.py  ->  curves.py, labels.py  ->  projection.py  ->  MLflow
               (read)        (pure: points, tags)       (write)

Nothing here decides anything, and nothing reads MLflow to learn about a run. A step commits whether MLflow is there or
not; `project(run)` then, or a week later, leaves the same runs, tags and points, each of them once.
"""

from components.core.tracking.connection import connect
from components.core.tracking.projection import TrackingSummary, project

__all__ = ["TrackingSummary", "connect", "project"]
