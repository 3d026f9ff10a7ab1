"""
When does it happen? Runs a training under many combinations of factors, and says which of them matter.

``plan``: what a sweep is to do · ``designs``: which combinations · ``environments``: the libraries of a cell ·
``executors``: where trials run · ``running``: the sweep · ``results``: what was observed · ``analysis``: what
follows from it · ``cases``: how often a diagnosis is right.
"""
