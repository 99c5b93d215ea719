"""A page on this machine on which an edit is found by looking: its server, the one thread of the model, the edit."""
