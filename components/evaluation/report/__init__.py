"""One self-contained HTML page about a run, made of what the run has committed.

evidence.py    reads everything: the campaign, its manifests, the pictures of the newest evaluation
verdict.py     did it learn? In plain words, from the intervals
curves.py      the charts, drawn by chart.py as SVG that follows the page's colours
pictures.py    before and after on the same noise
page.py        all of it into page.html.jinja
"""

from components.evaluation.report.page import write_report

__all__ = ["write_report"]
