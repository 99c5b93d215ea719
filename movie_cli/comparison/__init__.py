"""Videos beside one another: read in step, measured frame by frame, shown as a page, a strip or a video."""
