"""
Trainings that freeze, crawl, crash or go wrong for a known reason, and their healthy twins.

``programs/``: what runs, one file each, numbered: nothing in a program says what is wrong with it.
``truths/``: what is wrong with the program of that number, who says so, and the change that heals it.
:mod:`repro.cases.catalogue` brings the two together.
"""
