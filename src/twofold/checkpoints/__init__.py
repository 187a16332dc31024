"""Weights on disk: our own format, the models that ship with the package, foreign files."""
