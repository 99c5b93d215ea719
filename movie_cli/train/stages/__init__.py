"""The stages of the method, one file each, behind one interface that the trainer runs."""
