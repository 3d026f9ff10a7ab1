"""The errors that a person can do something about."""


class InputError(Exception):
    """
    Bad input or a missing tool. The message is one line, names the thing and the way out, and is ready to print.

    A command that meets it ends with exit code 2.
    """
