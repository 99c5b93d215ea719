"""`movie bench`: what an edit costs on this machine, stage by stage, in time, operations and memory."""
