"""
The heap: what glibc says of it, and a second look at a crash that a damaged one explains.

``messages``: glibc's words, classified · ``ladder``: ways to run again with the heap checked · ``check``: climbs
them · ``moves``: what it means that the fault moved.
"""
