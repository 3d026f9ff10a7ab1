"""
The reference pages, made from the code: ``python -m docs.generator`` writes all of them.

A page is a module with a function ``page``; a new one is added to ``pages.PAGES``.
"""
