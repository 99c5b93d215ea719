"""HDR to SDR: PQ and HLG pictures to BT.709 as a display of 100 % white at 203 cd/m2 shows them.

The way of a pixel: stored code to light (SMPTE ST 2084 for PQ; ITU-R BT.2100 table 5 with a system gamma of 1.2 for HLG
on a display of 1,000 cd/m2); the roll-off of ITU-R BT.2390-8, section 5.4.1, on the largest of the three components, so
that hues stay; BT.2020 or P3 to BT.709 primaries (BT.2087), clipped; the inverse of BT.1886, a power of 1/2.4.

Light up to about 90 cd/m2 keeps its place against reference white (BT.2408: 203 cd/m2), what is brighter is pressed
into what remains. Greys stay grey, black is black and brighter never becomes darker.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from movie_cli.products import weighted

PQ, HLG = 16, 18
"""H.273 transfer characteristics."""

REFERENCE_WHITE = 203.0
"""cd/m2 of diffuse white in HDR (ITU-R BT.2408), which becomes white in SDR."""

USUAL_PEAK = 1000.0
"""cd/m2 that a source is taken to be mastered for where it does not say."""

Floats = NDArray[np.float32]

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32

_TO_709 = {
    9: ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    11: ((1.157490, -0.154963, -0.002527), (-0.041498, 1.045563, -0.004065), (-0.018050, -0.078578, 1.096628)),
    12: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
}
"""Linear light of primaries by H.273 number (BT.2020, DCI-P3, Display P3) to BT.709."""

_FROM_709 = {number: np.linalg.inv(np.array(matrix)) for number, matrix in _TO_709.items()}

_HLG_LUMINANCE = (0.2627, 0.6780, 0.0593)


def pq_to_light(code: NDArray[np.floating]) -> NDArray[np.floating]:
    """The PQ curve, signal in [0, 1] to cd/m2."""
    power = np.power(np.clip(code, 0, 1), 1 / _M2)
    return 10000 * np.power(np.maximum(power - _C1, 0) / (_C2 - _C3 * power), 1 / _M1)


def light_to_pq(light: NDArray[np.floating]) -> NDArray[np.floating]:
    """The inverse PQ curve, cd/m2 to signal in [0, 1]."""
    power = np.power(np.clip(light, 0, 10000) / 10000, _M1)
    return np.power((_C1 + _C2 * power) / (1 + _C3 * power), _M2)


def hlg_to_scene(code: NDArray[np.floating]) -> NDArray[np.floating]:
    """The inverse HLG curve, signal in [0, 1] to scene light in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code * code / 3, (np.exp((code - c) / a) + b) / 12)


def scene_to_hlg(light: NDArray[np.floating]) -> NDArray[np.floating]:
    """The HLG curve, scene light in [0, 1] to signal in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(light <= 1 / 12, np.sqrt(3 * light), a * np.log(np.maximum(12 * light - b, 1e-9)) + c)


def roll_off(light: NDArray[np.floating], peak: float) -> NDArray[np.floating]:
    """BT.2390's EETF: light mastered for `peak` to light on a display of the reference white, cd/m2, black at 0."""
    if peak <= REFERENCE_WHITE:
        return np.minimum(light, REFERENCE_WHITE)
    highest = float(light_to_pq(np.float64(peak)))  # type: ignore[arg-type]
    signal = np.minimum(light_to_pq(light) / highest, 1.0)
    most = float(light_to_pq(np.float64(REFERENCE_WHITE))) / highest  # type: ignore[arg-type]
    knee = 1.5 * most - 0.5
    t = np.clip((signal - knee) / (1 - knee), 0, 1)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    return pq_to_light(np.where(signal < knee, signal, spline) * highest)


class ToneMap:
    """Tone-maps pictures of one transfer curve (16: PQ, 18: HLG), set of primaries (H.273) and mastering `peak`."""

    def __init__(self, transfer: int, primaries: int, peak: float | None = None) -> None:
        self._hlg = transfer == HLG
        self._matrix = np.array(_TO_709[primaries], np.float32).T if primaries in _TO_709 else None
        peak = USUAL_PEAK if self._hlg or peak is None else float(np.clip(peak, REFERENCE_WHITE, 10000))
        self._light = _light_table(transfer)
        self._gain_at, self._gain = _gain_table(peak)

    def __call__(self, pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """`(H, W, 3)` uint16 R'G'B', full range, to uint8 R'G'B' of BT.709."""
        light = display_light(pixels, self._light, hlg=self._hlg)
        brightest = light.max(axis=-1)
        # Evenly spaced in the square root, which is dense enough where the gain changes.
        gain = np.interp(np.sqrt(brightest), self._gain_at, self._gain).astype(np.float32)
        light *= gain[..., None]
        if self._matrix is not None:
            light = light @ self._matrix
        np.clip(light, 0, 1, out=light)
        np.power(light, 1 / 2.4, out=light)
        light *= 255
        result: NDArray[np.uint8] = np.rint(light).astype(np.uint8)
        return result


def display_light(pixels: NDArray[np.uint16], table: Floats, *, hlg: bool) -> Floats:
    """Light in cd/m2 of R'G'B' codes `(H, W, 3)`, by the table of their curve."""
    light: Floats = table[pixels]
    if hlg:
        luminance = weighted(light, _HLG_LUMINANCE)
        light *= (USUAL_PEAK * np.power(luminance, 0.2, where=luminance > 0, out=luminance))[..., None]
    return light


class Light:
    """Codes of PQ or HLG in any of their primaries to light in cd/m2 of BT.709's, and back."""

    def __init__(self, transfer: int, primaries: int) -> None:
        self._hlg, self._table = transfer == HLG, _light_table(transfer)
        self._to = np.array(_TO_709[primaries], np.float32).T if primaries in _TO_709 else None
        self._back = _FROM_709[primaries].astype(np.float32).T if primaries in _TO_709 else None
        self._codes = _code_table(transfer)

    def of(self, codes: NDArray[np.uint16]) -> Floats:
        """`(H, W, 3)` uint16, full range, to light; negative where a colour lies outside of BT.709."""
        light = display_light(codes, self._table, hlg=self._hlg)
        return light if self._to is None else light @ self._to

    def codes(self, light: Floats) -> NDArray[np.uint16]:
        """The inverse of `of`; what is below no light is none."""
        light = light if self._back is None else light @ self._back
        np.maximum(light, 0, out=light)
        if self._hlg:
            luminance = np.maximum(weighted(light, _HLG_LUMINANCE), 1e-6) / USUAL_PEAK
            # Scene light of a luminance Y is Y^(1/1.2), and each channel in its proportion (BT.2100, note 5i).
            light /= (USUAL_PEAK * np.power(luminance, 1 - 1 / 1.2))[..., None]
        else:
            light /= 10000
        # Evenly spaced in the fourth root, in which both curves are nearly straight.
        index = np.rint(np.sqrt(np.sqrt(np.minimum(light, 1))) * 65535).astype(np.uint16)
        result: NDArray[np.uint16] = self._codes[index]
        return result


@functools.cache
def _code_table(transfer: int) -> NDArray[np.uint16]:
    """The 16-bit code of light: as a share of 10,000 cd/m2 for PQ, of the brightest scene for HLG; by fourth roots."""
    light = (np.arange(65536) / 65535) ** 4
    signal = scene_to_hlg(light) if transfer == HLG else light_to_pq(light * 10000)
    return np.rint(np.clip(signal, 0, 1) * 65535).astype(np.uint16)


@functools.cache
def _light_table(transfer: int) -> Floats:
    """Light of each 16-bit code: cd/m2 for PQ, scene light in [0, 1] for HLG."""
    codes = np.arange(65536) / 65535
    return (hlg_to_scene(codes) if transfer == HLG else pq_to_light(codes)).astype(np.float32)


@functools.cache
def _gain_table(peak: float) -> tuple[Floats, Floats]:
    """Factor from light in cd/m2 to SDR light in [0, 1], at square roots of light."""
    root = np.linspace(0.0, 100.0, 8193)
    light = np.maximum(root**2, 1e-6)
    return root.astype(np.float32), (roll_off(light, peak) / light / REFERENCE_WHITE).astype(np.float32)
