"""Trained versions: publish, promote, verify, compare."""
