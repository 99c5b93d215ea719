"""Pictures of the page of `movie tune`, taken in Debian's Chromium.

    python -m tools.screenshots CLIP "make it autumn" -o docs/images

Writes tune-light, tune-dark, tune-phone and tune-looks (all looks on one frame) as WebP.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import click
from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

WIDE, PHONE = ViewportSize(width=1000, height=922), ViewportSize(width=390, height=844)
SHOTS: tuple[tuple[str, Literal["light", "dark"], ViewportSize], ...] = (
    ("light", "light", WIDE),
    ("dark", "dark", WIDE),
    ("phone", "light", PHONE),
)
QUALITY = 60
WALL = 640
"""Width of the picture of all looks."""
MINUTES = 5
"""Within so much every picture of a page must be there."""
FILLED = "() => [...document.querySelectorAll('%s')].every((image) => image.naturalWidth > 0)"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Take pictures of the page of movie tune.")
    parser.add_argument("clip", type=Path)
    parser.add_argument("instruction")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("error: Chromium is not installed (the Debian package `chromium`)")
    with serving(options.clip, options.instruction) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        keeper = browser.new_page()  # the program ends when its last page is closed
        keeper.goto(address)
        for name, scheme, size in SHOTS:
            context = browser.new_context(color_scheme=scheme, viewport=size)
            page = context.new_page()
            page.set_default_timeout(60_000 * MINUTES)
            page.goto(address)
            page.wait_for_function(FILLED % "#before, #after, #thumbnails img")
            save(page.screenshot(), options.output / f"tune-{name}.webp")
            if name == "light":
                save(looks(page), options.output / "tune-looks.webp", WALL)
            context.close()
        browser.close()


def looks(page: Page) -> bytes:
    """The wall of looks, once every one is there."""
    page.wait_for_function(FILLED % "#wall img")
    page.locator("#wall").scroll_into_view_if_needed()
    return page.locator("section:has(> #wall)").screenshot()


def save(content: bytes, path: Path, most: int = 10_000) -> None:
    """A PNG as a small WebP, at most so wide."""
    with Image.open(io.BytesIO(content)) as picture:
        picture.thumbnail((most, 10_000))
        picture.convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)
    click.echo(f"{path}: {path.stat().st_size / 1000:.0f} kB")


@contextmanager
def serving(clip: Path, instruction: str) -> Iterator[str]:
    """The program with its page, and the page's address."""
    words = ["tune", clip.name, instruction, "-o", f"{clip.stem}-edited.mp4", "--no-browser"]
    environment: dict[str, Any] = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", "import sys; from movie_cli.cli import main; sys.exit(main())", *words]
    with subprocess.Popen(  # noqa: S603 - no shell
        command, stdout=subprocess.PIPE, text=True, cwd=clip.resolve().parent, env=environment
    ) as program:
        assert program.stdout is not None
        try:
            yield program.stdout.readline().strip()
        finally:
            program.terminate()


if __name__ == "__main__":
    main()
