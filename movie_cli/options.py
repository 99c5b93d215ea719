"""Options: what an edit can be asked, each said once, where the field of its dataclass stands.

A field made with `option` says how it is typed, what it may be, and what it decides. From these follow the command
line, the environment and the settings file, the columns of a manifest, the keys of recipes and presets, what makes two
edits the same (`editing.job`), and the key of the latent cache. The concerns: what the picture is (`recipe.Recipe`),
how the source is read (`ReadOptions`), what the file is (`EncodeOptions`), how it runs (`RunOptions`), and which part
is edited (`editing.request.EditRequest`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Literal

from movie_cli.errors import SourceError, UsageError
from movie_cli.kinds import Choice, Flag, Kind, Number, Pairs, Rate, Seconds, Whole

Decides = Literal["source", "picture", "file", "rounding", "nothing"]
"""What an option decides: which frames come in (`source`); their edited pixels (`picture`); how these are written
(`file`); pixels by what is chosen for it on this machine alone (`rounding`, see `editing.job.CHOSEN`); or `nothing`."""

STREAM = "-"
"""As a source this is standard input, as an output standard output."""
MAX_PIXELS = 8192 * 4608
"""Pixels a frame may have by default: 8K in either aspect, 38 million."""
MAX_SECONDS = 24 * 3600.0
"""Length of a source, or of the part asked for, by default."""


@dataclass(frozen=True)
class Option:
    """What a field says of itself.

    `flags` are what is typed: two with a slash between switch on and off; `--no-...` of a field that is usually on
    switches it off (`negated`). `shown` is the usual value in help where the field's is None; `setting`: environment
    and settings file may set it; `job`: a job of a manifest may. `typed` is False for what is an argument. `param` is
    its name among settings and columns. `name` and `default` are the field's.
    """

    kind: Kind
    help: str
    decides: Decides
    theme: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    param: str = ""
    shown: str = ""
    hint: str = ""
    setting: bool = True
    job: bool = True
    typed: bool = True
    name: str = ""
    default: Any = None

    @property
    def negated(self) -> bool:
        """Whether typing it switches the field off."""
        return self.flags[0].startswith("--no-")

    @property
    def flag(self) -> str:
        """What is typed for it, in its longest form."""
        return max(self.flags, key=len).partition("/")[0]

    def typed_as(self, value: Any) -> list[str]:
        """What is typed for a value, each of several by itself; numbers as short as they can be read back from."""
        texts = []
        for each in value if self.kind.several else [value]:
            short = f"{each:g}" if isinstance(each, float) else ""
            exact = each if isinstance(each, str) else self.kind.show(each)
            texts.append(short if short and float(short) == each else exact)
        return [word for text in texts for word in (self.flag, text)]

    @property
    def words(self) -> str:
        """What a person calls it."""
        return (self.name if self.negated else self.param).replace("_", " ")


def option(default: Any, kind: Kind, help: str, *, decides: Decides, theme: str, **rest: Any) -> Any:  # noqa: A002
    """A dataclass's field that is an option; `default` may be `dataclasses.MISSING`, `rest` is `Option`'s."""
    return dataclasses.field(default=default, metadata={"option": Option(kind, help, decides, theme, **rest)})


_FOUND: dict[type[Any], Mapping[str, Option]] = {}


def options_of(cls: type[Any]) -> Mapping[str, Option]:
    """The options among a dataclass's fields, by field; found once, as an edit asks for them hundreds of times."""
    if cls not in _FOUND:
        _FOUND[cls] = {field.name: _of_field(field) for field in dataclasses.fields(cls) if "option" in field.metadata}
    return _FOUND[cls]


def _of_field(field: dataclasses.Field[Any]) -> Option:
    made: Option = field.metadata["option"]
    flags = made.flags or (f"--{field.name.replace('_', '-')}",)
    one = dataclasses.replace(made, flags=flags, name=field.name, default=field.default)
    return dataclasses.replace(one, param=one.param or one.flag.lstrip("-").replace("-", "_"))


def check_options(values: Any) -> None:
    """Refuse what an option may not be, in `__post_init__`.

    Raises:
        UsageError: the first one.
    """
    for name, one in options_of(type(values)).items():
        value = getattr(values, name)
        if value is None and one.default is None:
            continue
        try:
            one.kind.check(value)
        except (ValueError, TypeError) as error:
            problem = str(error) if isinstance(error, ValueError) else "is of another type"
            shown = one.kind.show(value) if isinstance(error, ValueError) else repr(value)
            raise UsageError(f"{one.flag} is {shown}, which {problem}", one.hint) from error


_reading = partial(option, decides="nothing", theme="Source file")
_file = partial(option, decides="file", theme="Output file")
_machine = partial(option, decides="rounding", theme="Machine")


@dataclass(frozen=True)
class ReadOptions:
    """How a source is read: limits against files that unpack to far more than they weigh, and what becomes of HDR.

    `max_pixels` and `max_seconds` bound a frame's area and the length of what is read. `hdr` is what becomes of PQ and
    HLG: `keep`, `tonemap` (BT.709), `refuse`, or `auto`, which keeps it in outputs of 10 bits. `frame_rate`, in frames
    a second, is that of an image sequence; None for 25.

    Raises:
        UsageError: a value is out of range.
    """

    hdr: Literal["auto", "keep", "tonemap", "refuse"] = option(
        "auto",
        Choice(words=("auto", "keep", "tonemap", "refuse")),
        "HDR: keep it, make it BT.709, or fail; auto keeps it where the output has 10 bits.",
        decides="file",
        theme="Source file",
        metavar="auto|keep|tonemap|refuse",
    )
    frame_rate: Fraction | None = option(
        None, Rate(), "Of an image sequence; default: 25.", decides="source", theme="Source file", metavar="NUMBER"
    )
    max_pixels: int = _reading(MAX_PIXELS, Whole(low=1, high=2**31 - 1), "Refuse larger pictures.", metavar="N")
    max_seconds: float = _reading(
        MAX_SECONDS, Seconds(), "Refuse longer sources.", flags=("--max-duration",), metavar="TIME", shown="24:00:00"
    )

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def decoder_limit(self) -> str:
        """For ffmpeg's `max_pixels`, which refuses before memory is asked for, but drops the picture without a word.

        Up to it `check_size` tells what is wrong.
        """
        return str(min(2 * self.max_pixels, 2**31 - 1))

    def check_size(self, name: object, width: int, height: int) -> None:
        """Refuse a picture that is too large.

        Raises:
            SourceError: it has more pixels than allowed; `name` is what the file is called.
        """
        if width * height > self.max_pixels:
            raise SourceError(
                f"{name} has pictures of {width}x{height}, more than {self.max_pixels} pixels",
                "if you trust the file: --max-pixels " + str(width * height),
            )

    def check_length(self, name: object, seconds: float) -> None:
        """Refuse a source that is too long.

        Raises:
            SourceError: it lasts longer than allowed; `name` is what the file is called.
        """
        if seconds > self.max_seconds:
            raise SourceError(
                f"{name} lasts {seconds:.0f} s, more than {self.max_seconds:.0f} s",
                "choose a part with --end or --duration, or raise --max-duration if you trust the file",
            )


@dataclass(frozen=True)
class EncodeOptions:
    """How the output is written. None leaves a choice to the output's container and to the source.

    `preset` is one of x264's names and is translated for other encoders. `options` are the encoder's own, in order.
    `audio`: `auto` copies what the container holds and players play, and encodes the rest anew, `copy` and `transcode`
    do the one or the other, `none` leaves it out. `subtitles`, `metadata` (tags, chapters, data): carry them over.
    `rotate` `keep`: how a picture is turned stays a note in the file where the container has a place for it; `apply`:
    the stored picture stands upright. `container` None: by the output's ending. `threads` 0: the encoder's choice.

    Raises:
        UsageError: a value is out of range.
    """

    codec: str | None = _file(None, Kind(), "Video codec; default: what suits OUT's ending.", metavar="NAME")
    crf: float | None = _file(
        None,
        Number(high=63.0),
        "Quality, smaller is better.",
        metavar="NUMBER",
        hint="smaller is better and bigger; 18 is a start",
    )
    preset: str | None = _file(
        None, Kind(), "Speed against size, such as slow.", flags=("--encoder-preset",), metavar="NAME"
    )
    pix_fmt: str | None = _file(None, Kind(), "Pixel format, such as yuv420p10le.", metavar="NAME")
    options: tuple[tuple[str, str], ...] = _file(
        (), Pairs(), "Any encoder option.", flags=("-e",), param="encoder_options", metavar="KEY=VALUE", setting=False
    )
    audio: Literal["auto", "copy", "transcode", "none"] = _file(
        "auto",
        Choice(words=("auto", "copy", "transcode", "none")),
        "Sound: auto copies what OUT's container can hold and encodes the rest.",
        metavar="auto|copy|transcode|none",
    )
    subtitles: bool = _file(True, Flag(), "Leave out the subtitles.", flags=("--no-subtitles",))
    metadata: bool = _file(True, Flag(), "Leave out tags, chapters and the recipe.", flags=("--no-metadata",))
    rotate: Literal["keep", "apply"] = option(
        "keep",
        Choice(words=("keep", "apply")),
        "A turned video: keep it so, or turn its pixels.",
        decides="file",
        theme="Source file",
        metavar="keep|apply",
    )
    container: str | None = None
    threads: int = 0

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """What runs the networks, in the words of the command line, and whether the network may be used for it."""

    backend: str = _machine("auto", Kind(), "What runs it.", metavar="auto|torch|openvino|onnx|qnn")
    device: str = _machine("auto", Kind(), "auto, cpu, cuda, cuda:N or mps; see `movie devices`.", metavar="DEVICE")
    dtype: str = _machine(
        "auto",
        Choice(words=("auto", "float32", "bfloat16", "float16", "int8")),
        "float32, bfloat16, float16, int8 (OpenVINO's decoder), or the fastest safe one.",
        metavar="TYPE",
    )
    compile: str = _machine(
        "auto",
        Choice(words=("auto", "on", "off")),
        "torch.compile: a slow first frame, then faster; auto: long clips on CUDA.",
        metavar="auto|on|off",
    )
    offline: bool = _machine(False, Flag(), "Fetch nothing from the network.", decides="nothing", job=False)


@dataclass(frozen=True, kw_only=True)
class RunOptions(MachineOptions):
    """How an edit runs, and what becomes of it when it is interrupted.

    `segment_frames` is how many frames are encoded and kept at a time, None for what suits the model; `resume`
    continues what an interrupted edit has left. `overwrite` False means that the output must not exist, also not at the
    moment it is renamed into its place: consent, which is given elsewhere.
    """

    provider: str = _machine("auto", Kind(), "What runs an export: cpu, cuda, coreml, ...", metavar="NAME")
    hwaccel: str = _machine(
        "none",
        Choice(words=("none", "auto")),
        "Beside a network on CUDA: software, or NVDEC and NVENC where both open.",
        metavar="none|auto",
    )
    threads: int | None = _machine(
        None,
        Whole(low=1, high=1024),
        "CPU threads of the network; default: one a core.",
        metavar="N",
        hint="leave it out for one a core",
    )
    batch_size: int | None = _machine(
        None,
        Whole(low=1, high=1024),
        "Frames at once; default: what suits the device.",
        metavar="N",
        hint="leave it out to have it chosen",
    )
    use_cache: bool = _machine(
        True, Flag(), "Keep the source's latents for the next edit.", decides="nothing", flags=("--cache/--no-cache",)
    )
    resume: bool = option(
        False,
        Flag(),
        "Continue an edit that was interrupted.",
        decides="nothing",
        theme="Safety",
        setting=False,
        job=False,
    )
    segment_frames: int | None = option(
        None,
        Whole(low=1, high=1_000_000),
        "Frames that are kept at a time for --resume; default: what suits the model.",
        decides="rounding",
        theme="Safety",
        metavar="N",
        hint="leave it out to have it chosen",
    )
    strict: bool = option(
        False,
        Flag(),
        "Fail if the source breaks or the model does not know the instruction.",
        decides="picture",
        theme="Safety",
    )
    overwrite: bool = False
