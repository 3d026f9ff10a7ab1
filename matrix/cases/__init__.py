"""
How often is a diagnosis right? Programs whose truth is known are run, and what is said of them is counted.

``question``: a program and its truth · ``libraries``: what it runs with · ``running``: asks, resumably · ``scoring``:
counts the answers.
"""
