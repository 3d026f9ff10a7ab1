"""
The agent: what runs inside the training process.

Carried in by path (see ``inject/``) under the private name ``_freezelab_agent``, never installed there. It
imports nothing of FreezeLab's and nothing outside the standard library, runs on CPython 3.9 and newer,
changes no result, and swallows its own errors.
"""
