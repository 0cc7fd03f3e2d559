"""MLflow as a projection of the store: all of it follows from committed manifests.

    store  ->  facts.py  ->  curves.py, labels.py  ->  projection.py  ->  MLflow
               (read)        (pure: points, tags)       (write)

Nothing here decides anything, and nothing reads MLflow to learn about a run. A step commits whether MLflow is there or
not; `project(run)` then, or a week later, leaves the same runs, tags and points, each of them once. Likewise
`project_aliases(store, model)` for the registry's `champion` and `previous`, which follow the log of promotions.
"""

from components.core.tracking.aliases import AliasSummary, project_aliases
from components.core.tracking.comparisons import log_comparison
from components.core.tracking.connection import connect
from components.core.tracking.projection import TrackingSummary, project
from components.core.tracking.report import log_report

__all__ = ["AliasSummary", "TrackingSummary", "connect", "log_comparison", "log_report", "project", "project_aliases"]
