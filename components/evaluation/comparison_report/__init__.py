"""The page of a comparison of algorithms, with its figure and its tables.

figure.py     gain, what the judges keep, and scores, over reward queries: matplotlib, in the page's colours
words.py      what the scores say, in sentences and as Markdown
page.py       all of it into page.html.jinja
record.py     drawn, committed to the store, shown in MLflow
"""
