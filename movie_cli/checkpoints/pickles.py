"""What pickles look like: files that may run code when they are loaded, and are never opened here."""

PICKLES = frozenset({".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".joblib"})
"""Endings, in lower case."""
