"""Mutated videos through the whole command: `python -m tests.fuzz` (see CONTRIBUTING.md)."""
