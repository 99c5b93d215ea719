"""Training of the embedded model: the procedural bank, its targets, the text encoder and the one-step student."""
