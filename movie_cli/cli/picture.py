"""Draws a picture in the terminal: as an image where it can (kitty, iTerm2, sixel), else in half blocks."""

from __future__ import annotations

import base64
import io
import os
import sys
from typing import TYPE_CHECKING

from movie_cli.errors import OutputError, UsageError

if TYPE_CHECKING:
    from PIL import Image

HINT = "name a file with -o sheet.png"


def check_terminal() -> None:
    """Refuse where nothing can be drawn.

    Raises:
        UsageError: stdout is no terminal, or one that shows neither images nor blocks.
    """
    if not sys.stdout.isatty():
        raise UsageError("there is no terminal to draw the sheet in", HINT)
    if os.environ.get("TERM") == "dumb" or not (sys.stdout.encoding or "").lower().startswith("utf"):
        raise UsageError("this terminal shows neither images nor Unicode blocks", HINT)


def draw(picture: Image.Image) -> None:
    """Draw across the terminal's width.

    Raises:
        OutputError: the package that draws is not installed.
    """
    if has_iterm2_images():
        sys.stdout.write(iterm2_image(picture) + "\n")
        return
    try:
        # Asks the terminal what it understands when it is imported.
        from textual_image.renderable import Image as TerminalImage
    except ImportError as error:
        raise OutputError("drawing in the terminal needs textual-image, which is not installed", HINT) from error
    from rich.console import Console

    Console().print(TerminalImage(picture, width="100%", height="auto"))


def has_iterm2_images() -> bool:
    """Whether the terminal is iTerm2, by what it sets, also over ssh."""
    return os.environ.get("TERM_PROGRAM") == "iTerm.app" or os.environ.get("LC_TERMINAL") == "iTerm2"


def iterm2_image(picture: Image.Image) -> str:
    """The escape sequence of iTerm2's inline images protocol, as wide as the terminal."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    content = stream.getvalue()
    text = base64.b64encode(content).decode("ascii")
    return f"\x1b]1337;File=inline=1;size={len(content)};width=100%;preserveAspectRatio=1:{text}\a"
