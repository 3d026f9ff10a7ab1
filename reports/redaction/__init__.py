"""Texts without secrets and without people's names."""
