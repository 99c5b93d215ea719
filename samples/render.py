"""Renders `meadow.mp4`, the sample clip: a lake, mountains, a house and a tree, with wind, a boat, birds and a chord.

Everything is drawn and sounded by this folder's own numpy code from fixed seeds, so the clip has no licence but the
project's. Run `python samples/render.py -o samples/meadow.mp4`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import scenery
from canvas import HEIGHT, SCALE, WIDTH, Colour, convex, disc, mix, over, shrink
from noise import Plane, fbm, smoothstep
from numpy.typing import NDArray
from sound import RATE, chords

FPS = 24
SUN = (396.0, 52.0)
PAN = 20.0
"""Pixels that the nearest layer moves in three seconds."""
Picture = NDArray[np.float32]


class Meadow:
    """The scene: layers that are painted once, and what moves between them."""

    def __init__(self) -> None:
        self.mountains, self.hills = scenery.mountains(), scenery.hills()
        self.meadow, self.house = scenery.meadow(), scenery.house()
        self.far_trees, self.near_tree = scenery.far_trees(), scenery.near_tree()
        self._x = ((np.arange(SCALE * WIDTH, dtype=np.float32) + 0.5) / SCALE)[None, :]
        self._y = ((np.arange(SCALE * HEIGHT, dtype=np.float32) + 0.5) / SCALE)[:, None]

    def frame(self, seconds: float) -> NDArray[np.uint8]:
        """The picture at a time, `(HEIGHT, WIDTH, 3)`, RGB."""
        pan = PAN * (seconds / 3 - 0.5)
        picture = self._sky(seconds)
        for layer, share in ((self.mountains, 0.12), (self.hills, 0.25)):
            picture = over(picture, *layer.seen(share * pan))
        picture = self._lake(picture, seconds, 0.35 * pan)
        picture = self._boat(picture, seconds, 0.35 * pan)
        rows = self._y[:, 0]
        picture = over(picture, *self.meadow.seen(0.7 * pan))
        picture = over(picture, *self.far_trees.seen(0.66 * pan, self._wind(seconds, rows, 232, 0.012)))
        picture = over(picture, *self.house.seen(0.68 * pan))
        picture = self._birds(picture, seconds)
        picture = over(picture, *self.near_tree.seen(pan, self._wind(seconds, rows, 318, 0.014)))
        picture = self._sunlight(picture)
        return (np.clip(shrink(picture), 0, 1) * 255 + 0.5).astype(np.uint8)

    def _sky(self, seconds: float) -> Picture:
        below = round(SCALE * (scenery.HORIZON + 4))
        x, y = np.broadcast_arrays(self._x, self._y[:below])
        height = np.clip(y / scenery.HORIZON, 0, 1)
        blue = mix((0.22, 0.47, 0.80), (0.74, 0.85, 0.94), (height**1.25).astype(np.float32))
        away = np.hypot(x - SUN[0], y - SUN[1]).astype(np.float32)
        blue = blue + np.exp(-away / 80)[..., None] * np.array([0.42, 0.33, 0.16], np.float32)
        blue = mix(blue, (1.0, 0.98, 0.90), smoothstep(17, 13, away))
        drift = 7.0 * seconds
        squeeze = (1.0 + 1.4 * height).astype(np.float32)
        u, v = (x - drift) / 92 * squeeze**0.35, y / 46 * squeeze
        body = fbm(u, v, 301, 6, 0.52)
        towards = fbm(u + 0.10, v - 0.13, 301, 6, 0.52)
        cover = smoothstep(0.50, 0.68, body) * smoothstep(1.02, 0.72, height.astype(np.float32))
        shade = np.clip(0.62 + 2.6 * (body - towards) - 0.5 * smoothstep(0.62, 0.82, body), 0, 1).astype(np.float32)
        cloud = mix((0.60, 0.67, 0.77), (1.0, 0.985, 0.96), shade)
        sky = mix(blue, cloud, 0.94 * cover)
        return np.concatenate([sky, sky[-1:].repeat(SCALE * HEIGHT - below, axis=0)])

    def _lake(self, picture: Picture, seconds: float, pan: float) -> Picture:
        """Below the horizon: the picture above it turned over, broken by small waves that grow towards the front."""
        first = round(SCALE * (scenery.HORIZON + 1))
        x, y = np.broadcast_arrays(self._x + np.float32(pan), self._y[first:])
        near = np.clip((y - scenery.HORIZON) / 80, 0.02, 1).astype(np.float32)
        u, v = x / (26 * near + 2), 55 / (near + 0.08) + 0.8 * seconds
        waves = fbm(u, v, 401, 3, 0.6) - 0.5
        waves += 0.6 * (fbm(u * 2.1 - 0.5 * seconds, v * 1.3, 409, 2) - 0.5)
        distance = np.arange(len(y))[:, None]
        rows = np.clip(first - 1 - (0.9 * distance + 60 * near * waves).astype(np.int64), 0, first - 1)
        columns = np.arange(picture.shape[1])[None, :]
        mirror = picture[rows, columns]
        deep = mix((0.18, 0.34, 0.42), (0.10, 0.25, 0.34), near)
        water = mix(mirror, deep, np.clip(0.34 + 0.25 * near + 0.9 * waves, 0.15, 0.8).astype(np.float32))
        glint = smoothstep(0.24, 0.36, waves) * np.exp(-np.abs(x - SUN[0]) / 60)
        water += (0.6 * glint)[..., None] * np.array([1.0, 0.94, 0.80], np.float32)
        line = smoothstep(0, 4, (y - scenery.HORIZON).astype(np.float32))
        result = picture.copy()
        result[first:] = mix(picture[first - 1 : first].repeat(len(y), axis=0) * 0.72, water, line)
        return result

    def _boat(self, picture: Picture, seconds: float, pan: float) -> Picture:
        box = slice(round(SCALE * 170), round(SCALE * 245))
        x, y = np.broadcast_arrays(self._x, self._y[box])
        left, water = 176 + 9 * seconds - pan, 213 + 0.5 * np.sin(2.1 * seconds)
        heel = 0.6 * np.sin(1.4 * seconds)

        def lay(colour: Colour, cover: Plane, strength: float = 1.0) -> None:
            picture[box] = mix(picture[box], colour, (strength * cover).astype(np.float32))

        mirror = [(left - 8 + heel, water + 26), (left + 9, water + 2), (left - 10, water + 2)]
        lay((0.88, 0.90, 0.90), convex(x, y, [mirror[2], mirror[1], mirror[0]]), 0.28)
        lay(
            (0.40, 0.15, 0.12),
            convex(x, y, [(left - 15, water), (left + 16, water), (left + 11, water + 5), (left - 11, water + 5)]),
            0.5,
        )
        lay(
            (0.42, 0.31, 0.22),
            convex(
                x,
                y,
                [
                    (left - 0.7 + heel, water - 38),
                    (left + 0.6 + heel, water - 38),
                    (left + 0.7, water),
                    (left - 0.7, water),
                ],
            ),
        )
        lay(
            (0.98, 0.96, 0.90),
            convex(x, y, [(left + 1.4 + heel, water - 36), (left + 15, water - 7), (left + 1.4, water - 7)]),
        )
        lay(
            (0.86, 0.87, 0.88),
            convex(x, y, [(left - 1.2 + heel, water - 33), (left - 1.2, water - 7), (left - 12, water - 7)]),
        )
        lay(
            (0.62, 0.20, 0.15),
            convex(
                x, y, [(left - 15, water - 5), (left + 18, water - 6), (left + 12, water + 1), (left - 12, water + 1)]
            ),
        )
        lay(
            (0.93, 0.90, 0.84),
            convex(
                x,
                y,
                [(left - 15, water - 6), (left + 18, water - 7), (left + 18, water - 5.4), (left - 15, water - 4.4)],
            ),
        )
        return picture

    def _birds(self, picture: Picture, seconds: float) -> Picture:
        x, y = np.broadcast_arrays(self._x, self._y)
        for number, (left, top, size) in enumerate(((206, 74, 7.0), (222, 84, 6.0), (192, 88, 5.5))):
            centre = left + 17 * seconds, top - 3 * seconds + 1.2 * np.sin(2 * seconds + number)
            lift = 0.55 * np.sin(9 * seconds + 1.7 * number)
            box = (slice(int(SCALE * (top - 30)), int(SCALE * (top + 20))), slice(None))
            px, py = np.abs(x[box] - centre[0]) / size, (y[box] - centre[1]) / size
            wing = -lift * np.sin(np.clip(px, 0, 1) * 2.4) + 0.16 * px
            thick = 0.13 * np.sqrt(np.clip(1 - px, 0, 1)) + 0.02
            cover = smoothstep(0.10, 0.0, (np.abs(py - wing) - thick).astype(np.float32)) * (px < 1)
            cover = np.maximum(cover, disc(px, py * 1.5, (0.0, 0.05), 0.20, 0.06))
            picture[box] = mix(picture[box], (0.15, 0.16, 0.19), (0.9 * cover).astype(np.float32))
        return picture

    def _sunlight(self, picture: Picture) -> Picture:
        """A little warmth from the sun over everything, and darker corners, as a lens gives them."""
        away = np.hypot(self._x - SUN[0], self._y - SUN[1]).astype(np.float32)
        picture = picture + (0.10 * np.exp(-away / 170))[..., None] * np.array([1.0, 0.86, 0.55], np.float32)
        corner = np.hypot((self._x - WIDTH / 2) / WIDTH, (self._y - HEIGHT / 2) / HEIGHT).astype(np.float32)
        return picture * (1 - 0.34 * corner**2)[..., None]

    @staticmethod
    def _wind(seconds: float, rows: Plane, base: float, strength: float) -> Plane:
        """How far each row bends to the right, in pixels: nothing at the roots, more towards the top, in gusts."""
        tall = np.clip(base - rows, 0, None)
        gust = np.sin(1.9 * seconds - rows / 60) + 0.4 * np.sin(4.3 * seconds + 1 - rows / 23)
        result: Plane = (strength * tall * gust).astype(np.float32)
        return result


def frames(count: int) -> Iterator[NDArray[np.uint8]]:
    """The clip's first frames."""
    scene = Meadow()
    for number in range(count):
        yield scene.frame(number / FPS)


def write(path: Path, seconds: float, crf: int) -> None:
    """Encode the clip as H.264 with AAC sound; the file is replaced."""
    count = round(seconds * FPS)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        video = out.add_stream(
            "libx264", rate=FPS, options={"crf": str(crf), "preset": "slow", "x264-params": "threads=1"}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context = video.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 1, 1, 1, 1
        audio = out.add_stream("aac", rate=RATE, layout="stereo")
        audio.bit_rate = 64_000
        sound = av.AudioFrame.from_ndarray(chords(seconds), format="fltp", layout="stereo")
        sound.rate, sound.pts, sound.time_base = RATE, 0, Fraction(1, RATE)
        out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
        for number, pixels in enumerate(frames(count)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Render the sample clip.")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("meadow.mp4"))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--crf", type=int, default=19, help="lower is better and bigger (default: 19)")
    options = parser.parse_args()
    write(options.output, options.seconds, options.crf)
    print(f"{options.output}: {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
