"""Checkpoint folders: what they can do, whether they are whole, where to find them, loading and saving."""
