"""From settings to a finished run: everything that can be refused is refused before the first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accelerate import Accelerator

from movie_cli.checkpoints.load import load_regions
from movie_cli.checkpoints.store import resolve
from movie_cli.errors import SourceError, TrainingError
from movie_cli.train.bank_samples import BankSamples
from movie_cli.train.pair_samples import HubPairs, PairFolder
from movie_cli.train.regions.samples import open_opinions, open_samples
from movie_cli.train.run_folder import RunFolder
from movie_cli.train.samples import SampleSource, Share
from movie_cli.train.settings import StageName, StageSettings
from movie_cli.train.stages import EditorStage
from movie_cli.train.stages.adversarial import adversarial_stage
from movie_cli.train.stages.autoencoder import autoencoder_stage
from movie_cli.train.stages.base import base_stage, mobile_stage
from movie_cli.train.stages.direct import direct_stage
from movie_cli.train.stages.guidance import guidance_stage
from movie_cli.train.stages.regions import RegionsStage
from movie_cli.train.trainer import Say, Trainer


def train(
    name: StageName,
    settings: StageSettings,
    output: Path,
    *,
    resume: bool = False,
    check_only: bool = False,
    cpu: bool = False,
    say: Say = print,
    bar: bool = False,
) -> Path:
    """Run a stage into the folder `output`; returns the checkpoint's folder.

    With `check_only` configuration, data and starting checkpoint are checked and nothing is trained. In a process
    that `accelerate launch` started, this is one of several that share the work.

    Raises:
        MovieError: a setting, the data, the starting checkpoint or the folder is refused, or the loss is not a number.
    """
    accelerator = Accelerator(cpu=cpu, mixed_precision=settings.mixed_precision)
    Share(settings.batch, settings.micro_batch, accelerator.process_index, accelerator.num_processes)
    folder = RunFolder(output, name, settings, resume, check=accelerator.is_main_process)
    with accelerator.main_process_first():
        data, stage = _open(name, settings, output, say)
    if check_only:
        return folder.checkpoint
    try:
        Trainer(stage, data, folder, accelerator, say, bar).run()
    except (RuntimeError, ConnectionError, EOFError) as error:
        # What is met first, the missing process or its broken pipe, is chance.
        if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker (pid"):
            raise
        said = "a process that makes samples was killed, perhaps for want of memory"
        raise TrainingError(said, f"go on from the last state in {output / 'state'} with --resume") from error
    return folder.checkpoint


def _open(name: StageName, settings: Any, output: Path, say: Say) -> tuple[Any, Any]:
    if name != "regions":
        data = open_data(settings, output)
        return data, make_stage(name, settings, data)
    opinions = open_opinions(settings, output, say)
    return open_samples(settings, opinions), RegionsStage(settings, opinions)


def open_data(settings: StageSettings, work: Path) -> SampleSource:
    """The samples that `[data]` describes; `work` is where stills and targets may be kept.

    Raises:
        SourceError: the data cannot be used.
        UsageError: a setting cannot be meant.
    """
    data = settings.data
    if data.kind == "hub":
        return HubPairs(data, settings.seed)
    if not data.folder:
        raise SourceError("there is no data to train on", "name a folder with --data, or data.folder in the file")
    if data.kind == "pairs":
        return PairFolder(data, settings.seed)
    regions = load_regions(resolve(settings.start)) if settings.start else None
    return BankSamples(data, settings.seed, work, settings.batch, regions)


def make_stage(name: StageName, settings: Any, data: SampleSource) -> EditorStage:
    """The stage with its networks, on the CPU.

    Raises:
        ModelError: the starting checkpoint cannot be used.
        UsageError: a setting cannot be meant.
    """
    if name == "autoencoder":
        return autoencoder_stage(settings, data)
    if name == "direct":
        return direct_stage(settings)
    if name == "base":
        return base_stage(settings)
    if name == "mobile":
        return mobile_stage(settings)
    if name == "guidance":
        return guidance_stage(settings)
    return adversarial_stage(settings)
