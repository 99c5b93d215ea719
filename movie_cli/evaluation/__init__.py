"""Measures of how well a model edits: fidelity to the bank, phrasings, scales, flicker; reports and galleries."""
