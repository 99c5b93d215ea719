"""From a request to an edited file: the editor, anchors, latent cache, detail transfer and the streaming pipeline."""
