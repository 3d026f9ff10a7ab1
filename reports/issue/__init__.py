"""A bug report for the maintainers of a library, and a program that shows the bug to them."""
