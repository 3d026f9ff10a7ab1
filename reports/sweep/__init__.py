"""The report of a sweep: a module for each part, joined by :mod:`reports.sweep.markdown`."""
