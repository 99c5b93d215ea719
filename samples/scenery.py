"""The meadow's parts, each painted once on a layer: mountains, hills, shore, meadow, house, trees."""

from __future__ import annotations

import numpy as np
from canvas import HEIGHT, MARGIN, WIDTH, Colour, Layer, convex, disc, mix
from noise import Plane, fbm, smoothstep, value_noise
from numpy.typing import NDArray

HORIZON = 176.0
HAZE: Colour = (0.74, 0.83, 0.91)
Picture = NDArray[np.float32]


def _lit(shade: Plane, dark: Colour, light: Colour) -> Picture:
    return mix(dark, light, np.clip(shade, 0, 1).astype(np.float32))


def mountains() -> Layer:
    """Two ranges, rocky and snow-streaked, blue with distance."""
    layer = Layer()
    box = layer.region(-MARGIN, 40, WIDTH + MARGIN, HORIZON + 4)
    x, y = layer.coordinates(box)
    for seed, base, rise, pitch, haze in ((11, 150.0, 105.0, 150.0, 0.52), (23, 172.0, 75.0, 105.0, 0.30)):
        ridge = base - rise * (fbm(x[:1] / pitch, np.zeros_like(x[:1]) + 0.5, seed, 6, 0.46) - 0.22)
        depth = y - ridge
        relief = fbm(x / 34 + 0.012 * y, y / 46, seed + 40, 6, 0.55)
        east = fbm((x + 5) / 34 + 0.012 * y, (y - 3) / 46, seed + 40, 6, 0.55)
        shade = 0.52 + 3.4 * (relief - east)
        rock = _lit(shade, (0.20, 0.25, 0.33), (0.62, 0.60, 0.58))
        snow = smoothstep(0.50, 0.62, relief + 0.30 - depth / 60) * smoothstep(0.2, 0.6, shade)
        rock = mix(rock, _lit(shade, (0.62, 0.70, 0.84), (0.98, 0.97, 0.95)), snow)
        forest = smoothstep(36, 66, depth + 40 * (relief - 0.5))
        rock = mix(rock, _lit(shade, (0.14, 0.24, 0.22), (0.34, 0.44, 0.30)), forest)
        air = (haze + 0.35 * smoothstep(20, 95, depth)).astype(np.float32)
        layer.paint(mix(rock, HAZE, np.clip(air, 0, 0.9)), smoothstep(-0.5, 0.5, depth), box)
    return layer


def hills() -> Layer:
    """Wooded hills behind the lake."""
    layer = Layer()
    box = layer.region(-MARGIN, HORIZON - 48, WIDTH + MARGIN, HORIZON + 4)
    x, y = layer.coordinates(box)
    for seed, base, rise, haze in ((5, 170.0, 34.0, 0.34), (8, 178.0, 26.0, 0.16)):
        top = base - rise * fbm(x[:1] / 120, np.zeros_like(x[:1]) + 2.5, seed, 3)
        crowns = fbm(x / 5.0, np.zeros_like(x) + 0.3, seed + 3, 2) * 5
        depth = y - top + crowns - 2
        leaves = fbm(x / 4.5, y / 3.6, seed + 7, 4, 0.6)
        lit = fbm((x + 1.2) / 4.5, (y - 1.4) / 3.6, seed + 7, 4, 0.6)
        shade = 0.45 + 2.6 * (leaves - lit) + 0.5 * (fbm(x / 40, y / 14, seed + 9, 3) - 0.5)
        green = _lit(shade, (0.07, 0.16, 0.09), (0.42, 0.52, 0.20))
        field = smoothstep(0.56, 0.66, fbm(x / 52, y / 13, seed + 13, 3)) * smoothstep(6, 14, depth)
        green = mix(green, _lit(0.4 + 0.5 * leaves, (0.42, 0.50, 0.22), (0.72, 0.70, 0.38)), field)
        air = np.full_like(leaves, haze)
        layer.paint(mix(green, HAZE, air), smoothstep(-0.6, 0.6, depth), box)
    return layer


def meadow_top(x: Plane) -> Plane:
    """The meadow's upper edge: low by the lake on the left, rising to the right."""
    result: Plane = 246 - 44 * smoothstep(120, 430, x) + 5 * np.sin(x / 37) + 2.0 * (value_noise(x / 9, x * 0, 3) - 0.5)
    return result.astype(np.float32)


def meadow() -> Layer:
    """Grass in perspective, a path from the front to the house, flowers."""
    layer = Layer()
    box = layer.region(-MARGIN, HORIZON + 18, WIDTH + MARGIN, HEIGHT)
    x, y = layer.coordinates(box)
    depth = y - meadow_top(x)
    near = np.clip((y - HORIZON) / (HEIGHT - HORIZON), 0.08, 1).astype(np.float32)
    u, v = (x - WIDTH / 2) / near, 260 / near
    broad = fbm(u / 110, v / 60, 31, 4)
    tufts = fbm(u / 9, v / 5, 37, 4, 0.65)
    lit = fbm((u + 2.4) / 9, (v + 1.5) / 5, 37, 4, 0.65)
    shade = 0.30 + 0.55 * broad + 1.1 * (tufts - lit) + 0.35 * (tufts - 0.5)
    green = _lit(shade, (0.13, 0.25, 0.07), (0.58, 0.68, 0.24))
    dry = smoothstep(0.50, 0.72, fbm(u / 70, v / 34, 53, 4))
    green = mix(green, _lit(shade, (0.34, 0.33, 0.12), (0.80, 0.74, 0.36)), 0.55 * dry)
    middle, wide = _path(near)
    edge = np.abs(x - middle) / wide + 0.5 * (fbm(u / 6, v / 4, 61, 4) - 0.5)
    gravel = fbm(u / 3.2, v / 2.2, 67, 4, 0.7)
    sand = _lit(0.15 + 0.85 * gravel - 0.25 * smoothstep(0.2, 0.9, edge), (0.42, 0.34, 0.24), (0.86, 0.77, 0.62))
    green = mix(green, sand, smoothstep(0.95, 0.66, edge) * smoothstep(24, 34, depth))
    # Air, and the shadow of clouds, far off.
    green = mix(green, HAZE, 0.16 * smoothstep(0.4, 0.1, near))
    layer.paint(green, smoothstep(-0.6, 0.6, depth), box)
    _blades(layer)
    return layer


def _path(near: Plane) -> tuple[Plane, Plane]:
    """The path's middle and half its width, by nearness in [0, 1]."""
    middle = 352 - 118 * smoothstep(0.14, 1.0, near) + 34 * np.sin(5.2 * near + 0.5)
    return middle.astype(np.float32), (3 + 40 * near**1.4).astype(np.float32)


def _blades(layer: Layer) -> None:
    """Single blades of grass and flowers, from the back to the front; few on the path."""
    random = np.random.default_rng(71)
    rows = np.sort(HORIZON + 34 + (HEIGHT - HORIZON - 30) * random.random(9000) ** 0.8)
    for y in rows:
        x = float(random.uniform(-18, WIDTH + 18))
        if y < float(meadow_top(np.float32(x))) + 4:
            continue
        near = (y - HORIZON) / (HEIGHT - HORIZON)
        middle, wide = _path(np.float32(near))
        if abs(x - middle) < 0.85 * wide:
            continue
        tall = 13 * near * random.uniform(0.4, 1.1)
        lean = tall * random.uniform(-0.5, 0.5)
        tone = float(random.uniform(0.0, 1.0))
        colour = (0.16 + 0.44 * tone, 0.30 + 0.42 * tone, 0.08 + 0.16 * tone)
        _stroke(layer, (x, y), (x + lean, y - tall), 0.28 + 0.75 * near, colour, 0.75)
        if random.random() < 0.045 * (0.4 + near):
            petal = ((0.97, 0.95, 0.90), (0.98, 0.84, 0.25), (0.86, 0.22, 0.20), (0.72, 0.56, 0.86))[
                int(random.integers(4))
            ]
            size = 0.5 + 2.0 * near
            box = layer.region(x + lean - 4, y - tall - 4, x + lean + 4, y - tall + 4)
            px, py = layer.coordinates(box)
            layer.paint(petal, disc(px, py * 1.25, (x + lean, (y - tall) * 1.25), size), box)
            layer.paint((0.45, 0.33, 0.10), 0.8 * disc(px, py, (x + lean, y - tall), 0.32 * size), box)


def _stroke(
    layer: Layer, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour, cover: float
) -> None:
    """A line that thins towards its end."""
    left, right = min(start[0], end[0]) - width, max(start[0], end[0]) + width
    box = layer.region(left, min(start[1], end[1]) - width, right, max(start[1], end[1]) + width)
    x, y = layer.coordinates(box)
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy + 1e-6), 0, 1)
    away = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
    taper = width * (1.05 - 0.8 * along)
    layer.paint(colour, (cover * smoothstep(0.5, -0.3, (away - taper).astype(np.float32))).astype(np.float32), box)


def house() -> Layer:
    """A plastered house with a tiled roof, windows, a door and a chimney, and a fence beside it."""
    layer = Layer()
    box = layer.region(285, 120, 500, 262)
    x, y = layer.coordinates(box)
    grain = fbm(x / 7, y / 7, 81, 5, 0.6)
    fine = fbm(x / 1.4, y / 1.4, 83, 3, 0.7)

    def wall(corners: list[tuple[float, float]], dark: Colour, light: Colour) -> None:
        low = smoothstep(205, 246, y)
        shade = 0.25 + 0.6 * grain + 0.3 * (fine - 0.5) - 0.22 * low
        layer.paint(_lit(shade, dark, light), convex(x, y, corners), box)

    shadow = smoothstep(1.0, 0.2, np.hypot((x - 372) / 92, (y - 243) / 11).astype(np.float32))
    layer.paint((0.07, 0.12, 0.05), (0.55 * shadow).astype(np.float32), box)
    wall([(412, 152), (424, 152), (424, 184), (412, 184)], (0.42, 0.24, 0.18), (0.72, 0.46, 0.36))
    layer.paint((0.35, 0.30, 0.28), convex(x, y, [(410, 149), (426, 149), (426, 153), (410, 153)]), box)
    wall([(320, 190), (350, 164), (350, 243), (320, 240)], (0.44, 0.42, 0.45), (0.66, 0.62, 0.60))
    wall([(350, 188), (436, 188), (436, 241), (350, 244)], (0.72, 0.66, 0.56), (1.0, 0.96, 0.87))
    wall([(320, 190), (350, 158), (352, 190)], (0.44, 0.42, 0.45), (0.66, 0.62, 0.60))
    roof = convex(x, y, [(347, 156), (428, 158), (442, 192), (352, 194)])
    row = np.mod(y / 3.1, 1)
    column = np.mod(x / 4.2 + 0.5 * np.floor(y / 3.1), 1)
    tile = smoothstep(0.0, 0.35, row) * (0.72 + 0.28 * smoothstep(0.0, 0.25, column))
    tiles = _lit(
        (0.15 + 0.75 * tile * (0.55 + 0.7 * grain) + 0.3 * (fine - 0.5)).astype(np.float32),
        (0.30, 0.11, 0.08),
        (0.84, 0.42, 0.27),
    )
    layer.paint((0.20, 0.12, 0.10), convex(x, y, [(316, 194), (349, 155), (352, 158), (322, 194)]), box)
    layer.paint(tiles, roof, box)
    layer.paint((0.10, 0.08, 0.08), (0.5 * convex(x, y, [(352, 193), (438, 192), (436, 198), (352, 199)])), box)
    for left in (361.0, 411.0):
        _window(layer, x, y, box, left, 203)
    _window(layer, x, y, box, 331.0, 198, narrow=True)
    door = convex(x, y, [(385, 207), (402, 207), (402, 243), (385, 243)])
    plank = 0.35 + 0.4 * grain + 0.25 * smoothstep(0.1, 0.3, np.mod(x / 4.2, 1).astype(np.float32))
    layer.paint((0.92, 0.88, 0.80), convex(x, y, [(383, 205), (404, 205), (404, 243), (383, 243)]), box)
    layer.paint(_lit(plank.astype(np.float32), (0.14, 0.22, 0.26), (0.34, 0.50, 0.52)), door, box)
    layer.paint((0.85, 0.72, 0.35), disc(x, y, (399, 226), 1.1), box)
    layer.paint((0.55, 0.53, 0.50), convex(x, y, [(380, 242), (408, 242), (409, 247), (379, 247)]), box)
    _fence(layer)
    return layer


def _window(
    layer: Layer, x: Plane, y: Plane, box: tuple[slice, slice], left: float, top: float, narrow: bool = False
) -> None:
    width, height = (10.0, 17.0) if narrow else (15.0, 18.0)
    frame = [
        (left - 2, top - 2),
        (left + width + 2, top - 2),
        (left + width + 2, top + height + 2),
        (left - 2, top + height + 2),
    ]
    layer.paint((0.93, 0.91, 0.86), convex(x, y, frame), box)
    glass = convex(x, y, [(left, top), (left + width, top), (left + width, top + height), (left, top + height)])
    shine = smoothstep(0.45, 0.55, (0.5 + ((x - left) - 0.7 * (y - top)) / 40).astype(np.float32))
    layer.paint(mix((0.13, 0.18, 0.24), (0.48, 0.60, 0.72), (0.75 * shine).astype(np.float32)), glass, box)
    bar = np.minimum(np.abs(x - left - width / 2), np.abs(y - top - height * 0.45)).astype(np.float32)
    layer.paint((0.93, 0.91, 0.86), glass * smoothstep(1.0, 0.5, bar), box)
    sill = [
        (left - 4, top + height + 2),
        (left + width + 4, top + height + 2),
        (left + width + 4, top + height + 5),
        (left - 4, top + height + 5),
    ]
    layer.paint((0.62, 0.58, 0.54), convex(x, y, sill), box)
    if not narrow:
        for side in (left - 8, left + width + 2):
            shutter = convex(
                x, y, [(side, top - 1), (side + 6, top - 1), (side + 6, top + height + 1), (side, top + height + 1)]
            )
            slats = 0.35 + 0.5 * smoothstep(0.2, 0.5, np.mod(y / 2.2, 1).astype(np.float32))
            layer.paint(_lit(slats, (0.12, 0.26, 0.30), (0.30, 0.52, 0.54)), shutter, box)


def _fence(layer: Layer) -> None:
    for place in range(9):
        x, base = 452 + 9.5 * place, 243 + 2.6 * place
        tall = 15 + 1.0 * place
        _stroke(layer, (x, base), (x, base - tall), 1.5 + 0.1 * place, (0.78, 0.73, 0.65), 1.0)
        _stroke(layer, (x + 0.9, base), (x + 0.9, base - tall), 0.5, (0.46, 0.42, 0.38), 0.9)
    for drop in (0.30, 0.72):
        for start in range(8):
            x, base = 452 + 9.5 * start, 243 + 2.6 * start
            ends = [(x + 9.5 * k, base + 2.6 * k - drop * (15 + start + k)) for k in (0, 1)]
            _stroke(layer, ends[0], ends[1], 1.3, (0.72, 0.67, 0.59), 1.0)


def tree(layer: Layer, base: tuple[float, float], size: float, seed: int, tint: Colour) -> None:
    """A broad-leaved tree about `3 * size` high: trunk, boughs, and lobes of leafy clumps, lit from the upper right."""
    random = np.random.default_rng(seed)
    crown = (base[0] + 0.05 * size, base[1] - 1.85 * size)
    _shadow(layer, base, size)
    lobes = [(0.0, -0.55, 0.62), (-0.62, 0.02, 0.56), (0.66, 0.06, 0.54), (0.05, 0.22, 0.60), (-0.34, -0.42, 0.52)]
    lobes += [(0.42, -0.44, 0.50), (-0.78, 0.40, 0.34), (0.80, 0.44, 0.32)]
    for dx, dy, _ in lobes:
        fork = (base[0] + 0.10 * dx * size, base[1] - random.uniform(0.7, 1.0) * size)
        tip = (crown[0] + 0.8 * dx * size, crown[1] + dy * size)
        _bough(layer, base, fork, 0.105 * size, 0.07 * size, seed)
        _bough(layer, fork, tip, 0.06 * size, 0.02 * size, seed)
    clumps = []
    for dx, dy, wide in lobes:
        for _ in range(34):
            angle, out = random.uniform(0, 2 * np.pi), np.sqrt(random.random())
            place = (dx + wide * out * np.cos(angle), dy + 0.82 * wide * out * np.sin(angle))
            within = 0.55 * out * np.cos(angle) - 0.85 * out * np.sin(angle)
            clumps.append((*place, within, random.uniform(0.10, 0.20), random.random()))
    # Those that hang low and away from the light come first: the lit ones cover them.
    clumps.sort(key=lambda clump: 0.4 * clump[0] - clump[1] + 0.5 * clump[2] + 0.4 * clump[4])
    for dx, dy, within, part, luck in clumps:
        light = 0.34 + 0.24 * within + 0.16 * (0.5 * dx - 0.8 * dy) + 0.16 * (luck - 0.5)
        _clump(layer, (crown[0] + dx * size, crown[1] + dy * size), part * size, size, light, seed, tint)


def _shadow(layer: Layer, base: tuple[float, float], size: float) -> None:
    box = layer.region(base[0] - 2 * size, base[1] - 0.3 * size, base[0] + size, base[1] + 0.3 * size)
    x, y = layer.coordinates(box)
    mottle = 0.35 * (fbm(x / (0.1 * size), y / (0.04 * size), 7, 3) - 0.5)
    away = np.hypot((x - base[0] + 0.5 * size) / (1.2 * size), (y - base[1]) / (0.15 * size)) + mottle
    layer.paint((0.05, 0.10, 0.04), (0.55 * smoothstep(1.0, 0.35, away.astype(np.float32))).astype(np.float32), box)


def _bough(
    layer: Layer, start: tuple[float, float], end: tuple[float, float], thick: float, thin: float, seed: int
) -> None:
    """A tapering piece of trunk or bough with bark, light on its right side."""
    left, right = min(start[0], end[0]) - thick, max(start[0], end[0]) + thick
    box = layer.region(left, min(start[1], end[1]), right, max(start[1], end[1]) + 0.3 * thick)
    x, y = layer.coordinates(box)
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy), 0, 1).astype(np.float32)
    side = x - start[0] - along * dx
    # Roots spread.
    half = thin + (thick - thin) * (1 - along) + 0.7 * thick * smoothstep(0.12, 0.0, along)
    bark = fbm(x / (0.25 * thick), y / (1.2 * thick), seed + 5, 4, 0.6)
    light = 0.30 + 0.32 * side / (half + 0.1) + 0.9 * (bark - 0.5)
    cover = smoothstep(0.4, -0.4, (np.abs(side) - half + 0.15 * thick * (bark - 0.5)).astype(np.float32))
    layer.paint(_lit(light.astype(np.float32), (0.10, 0.08, 0.06), (0.52, 0.42, 0.32)), cover, box)


def _clump(
    layer: Layer, centre: tuple[float, float], radius: float, size: float, light: float, seed: int, tint: Colour
) -> None:
    """A ragged ball of leaves; `light` in [0, 1] is what falls on its middle."""
    reach = 1.4 * radius
    box = layer.region(centre[0] - reach, centre[1] - reach, centre[0] + reach, centre[1] + reach)
    x, y = layer.coordinates(box)
    if x.size == 0:
        return
    grain = max(1.5, 0.045 * size)
    leaves = fbm(x / grain + 3 * light, y / grain, seed + 1, 3, 0.7)
    px, py = (x - centre[0]) / radius, (y - centre[1]) / radius
    edge = np.hypot(px, py) + 1.6 * (leaves - 0.5)
    shade = light + 0.20 * (0.6 * px - 0.8 * py) + 0.95 * (leaves - 0.5)
    bright: Colour = (min(1, tint[0] * 2.6 + 0.10), min(1, tint[1] * 2.1 + 0.08), tint[2] * 1.7)
    deep: Colour = (tint[0] * 0.36, tint[1] * 0.38, tint[2] * 0.5)
    layer.paint(_lit(shade.astype(np.float32), deep, bright), smoothstep(1.0, 0.8, edge.astype(np.float32)), box)


def far_trees() -> Layer:
    """Trees by the house and on the far shore."""
    layer = Layer()
    places = [(302, 226, 15), (468, 214, 22), (500, 222, 17), (452, 206, 14), (277, 224, 9), (524, 228, 20)]
    for number, (x, base, size) in enumerate(sorted(places, key=lambda place: place[1])):
        tint: Colour = (0.15, 0.24, 0.08) if number % 2 else (0.19, 0.26, 0.08)
        tree(layer, (x, base), size, 100 + number, tint)
    return layer


def near_tree() -> Layer:
    """The big tree on the left."""
    layer = Layer()
    tree(layer, (76, 318), 66, 201, (0.17, 0.26, 0.08))
    return layer
