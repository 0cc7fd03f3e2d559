"""One self-contained HTML page about a run, made of what the run has committed.

evidence.py        reads everything: the campaign, its manifests, the rows of the policies that are shown
verdict.py         did it learn? In plain words, from the intervals
guard_view.py      what the guard says, signal by signal and evaluation by evaluation
turning_point.py   from which policy on the judges pay for the reward
curves.py          which charts there are; figure.py draws them with matplotlib, in the page's colours
grid.py            nine animals of each model
strips.py          one prompt and seed, policy by policy
splits.py          how far the gain carries; before_after.py shows the pairs
worst_prompts.py   where it lost most; painted_text.py: where it paints words
side_by_side.py    the sampler that ships; the champion
page.py            all of it into page.html.jinja and the templates that it includes
"""

from components.evaluation.report.page import write_report

__all__ = ["write_report"]
