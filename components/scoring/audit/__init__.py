"""Look for what a reward can be fooled by, before a run is paid by it.

    exhibits.py   pictures of which it is known what they show: drawings of the tiny base, or a directory
    painting.py   the same pictures with words painted on, and pictures that show nothing
    answers.py    what the reward says of all of them, asked in several ways
    probes.py     from answers to findings, each with its limits: pure
    page.py       a page of pictures and numbers
    record.py     the audit, committed below `<store>/audits/<scorer id>/`

`python -m components.scoring.audit --reward NAME --out page.html`
"""
