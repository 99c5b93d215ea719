"""Quality of edits over a suite of clips, instructions and models: what `movie eval` measures."""
