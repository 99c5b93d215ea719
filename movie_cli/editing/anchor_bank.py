"""Source latents of anchor frames, wherever they come from: a cached clip, or the source itself.

Keeps those of the newest anchors, so that each frame is read once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from movie_cli.editing import clip
from movie_cli.editing.anchors import BANK
from movie_cli.editing.cache_entry import CachedClip
from movie_cli.editing.editor import Editor
from movie_cli.editing.plan import Plan
from movie_cli.errors import SourceError
from movie_cli.media.timing import seconds_to_pts


class AnchorBank:
    """Anchors of one edit."""

    def __init__(self, made: Plan, path: Path, editor: Editor) -> None:
        self._made, self._path, self._editor = made, path, editor
        self._frames: dict[int, Any] = {}

    def one(self, seconds: float | None, cached: CachedClip | None) -> Any | None:
        """Latents of the first frame at or after an instant, or of the first of all; None where none can be read."""
        made = self._made
        video = made.info.video
        if cached is not None:
            wanted = video.origin + seconds_to_pts(seconds or 0.0, video.time_base)
            late = (index for index, (pts, _) in enumerate(cached.times) if seconds is None or pts >= wanted)
            return self._editor.backend.from_cache(cached.at(next(late, 0))[0])
        frame = clip.frame_at(self._path, made.info, made.span, seconds, made.working)
        if frame is None:
            frame = clip.frame_at(self._path, made.info, made.span, made.span.start, made.working)
        return None if frame is None else self._editor.encode(frame)

    def latents(self, anchors: tuple[int, ...], cached: CachedClip | None) -> Any:
        """Latents of the frames with these timestamps, as one batch.

        Raises:
            SourceError: one is not there any more.
        """
        if cached is not None:
            places = {pts: index for index, (pts, _) in enumerate(cached.times)}
            stored = [cached.at(places[pts])[0] for pts in anchors if pts in places]
            if len(stored) == len(anchors):
                return self._editor.backend.from_cache(np.concatenate(stored))
        for pts in anchors:
            if pts not in self._frames:
                self._frames[pts] = self._read(pts)
        while len(self._frames) > 2 * BANK:
            self._frames.pop(next(iter(self._frames)))
        return self._editor.encode(np.concatenate([self._frames[pts] for pts in anchors]))

    def _read(self, pts: int) -> Any:
        made = self._made
        video = made.info.video
        # Half a unit early: the instant must not round to after the frame.
        seconds = float((pts - video.origin - 0.5) * video.time_base) if pts > video.origin else None
        frame = clip.frame_at(self._path, made.info, made.span, seconds, made.working)
        if frame is None:
            raise SourceError(
                f"{self._path} has no frame at {float(pts * video.time_base):.3f} s any more", "try again"
            )
        return frame
