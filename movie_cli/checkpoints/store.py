"""From what a user types after `--model`, `--vae`, `--scheduler` and `--lora` to files on this machine.

A checkpoint is looked for in a fixed order (the embedded models, the user's models folder, a folder, the Hugging
Face Hub). Nothing is fetched when offline, and else only JSON, safetensors and vocabularies. What does not fit a
checkpoint is refused before any weight is loaded, as far as configurations tell. A repository of the Hub may be
pinned, `owner/name@revision`: a branch, a tag or a commit. What was fetched before stays in the Hub's own cache on
this machine; an interrupted download goes on with the files that are not whole yet.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from movie_cli.checkpoints.descriptor import Descriptor, Variant, read_descriptor
from movie_cli.checkpoints.exported import is_export
from movie_cli.checkpoints.folder import OPTIONAL_PARTS, PARTS_WITH_WEIGHTS, PICKLES, check_folder
from movie_cli.errors import ModelError, OutputError, UsageError, did_you_mean
from movie_cli.files import models_folder
from movie_cli.recipe import Recipe

EMBEDDED = Path(__file__).parent
"""The package folder whose subfolders with a `movie.json` are the embedded checkpoints."""

DEFAULT_MODEL = "nano"
TAESD = "madebyollin/taesd"
AUTOENCODERS = ("AutoencoderKL", "AutoencoderTiny")
SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lcm": "LCMScheduler",
}
"""By what people call them: diffusers' classes, each made from the checkpoint's own configuration."""
LORA_FILE = "pytorch_lora_weights.safetensors"


# By part, not by ending alone: published repositories keep tens of gigabytes of other weights beside these.
WANTED = (
    "model_index.json",
    "movie.json",
    *(f"{part}/{name}" for part in (*PARTS_WITH_WEIGHTS, *OPTIONAL_PARTS) for name in ("*.json", "*.safetensors")),
    "tokenizer/*.json",
    "tokenizer/*.txt",
    "scheduler/*.json",
)


def resolve(name_or_folder: str, offline: bool = False) -> Path:
    """The folder of the checkpoint that `name_or_folder` means.

    `name_or_folder` is the name of an embedded or local model, a folder, or `owner/name` on the Hugging Face Hub, with
    `@revision` behind it to pin one. `offline`, or a true `HF_HUB_OFFLINE`, allows only what earlier calls fetched.

    Raises:
        ModelError: there is no such checkpoint, or it cannot be fetched.
    """
    if not name_or_folder.strip():
        raise ModelError("the model's name is empty", "`movie models list` shows what is here")
    named = _named()
    if name_or_folder in named:
        return named[name_or_folder]
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_file():
        raise ModelError(f"{folder} is a file, not a checkpoint folder", "name the folder that holds model_index.json")
    if is_hub_id(name_or_folder):
        return fetch_from_hub(name_or_folder, WANTED, offline)
    otherwise = "`movie models list` shows what is here; a folder or owner/name also works"
    raise ModelError(f"there is no model {name_or_folder}", did_you_mean(name_or_folder, named, otherwise))


def open_model(name_or_folder: str, offline: bool = False) -> Descriptor:
    """Resolve, check and describe a checkpoint.

    Raises:
        ModelError: there is no such checkpoint, or its folder does not pass `check_folder`.
    """
    folder = resolve(name_or_folder, offline)
    check_folder(folder)
    return read_descriptor(folder)


def open_variant(recipe: Recipe, offline: bool = False) -> Descriptor:
    """The checkpoint of a recipe, with the parts that the recipe asks for.

    Raises:
        ModelError: there is no such checkpoint or part, or they do not fit.
        UsageError: the checkpoint takes no other parts.
    """
    descriptor = open_model(recipe.model, offline)
    variant = find_variant(descriptor, recipe.vae, recipe.scheduler, recipe.lora, offline)
    return dataclasses.replace(descriptor, variant=variant)


def on_the_hub(recipe: Recipe) -> dict[str, tuple[str, bool]]:
    """The parts of a recipe that are named by a repository on the Hub, and whether they are on this machine, by field.

    Asks nobody.
    """
    found = {}
    for field, name in (("model", recipe.model), ("vae", recipe.vae), ("lora", recipe.lora)):
        if name is None or (field == "model" and name in _named()) or Path(name).expanduser().exists():
            continue
        repository = TAESD if (field, name) == ("vae", "taesd") else name
        if is_hub_id(repository):
            found[field] = (name, is_fetched(repository))
    return found


def list_models() -> tuple[list[Descriptor], list[tuple[str, ModelError]]]:
    """The embedded checkpoints and those in the user's models folder, by name; names and errors of damaged ones."""
    found: list[Descriptor] = []
    damaged: list[tuple[str, ModelError]] = []
    for name, folder in sorted(_named().items()):
        try:
            found.append(read_descriptor(folder))
        except ModelError as error:
            damaged.append((name, error))
    return found, damaged


def _named() -> dict[str, Path]:
    """Checkpoint folders by name. An embedded model's name cannot be taken by a local one."""
    folders: dict[str, Path] = {}
    for root in (models_folder(), EMBEDDED):
        try:
            children = sorted(root.iterdir())
        except OSError:
            continue
        folders.update({child.name: child for child in children if _is_model(child)})
    return folders


def _is_model(folder: Path) -> bool:
    return (folder / "model_index.json").is_file() or is_export(folder)


def find_variant(
    descriptor: Descriptor, vae: str | None, scheduler: str | None, lora: str | None, offline: bool
) -> Variant:
    """Resolve names of what is to be used with a checkpoint.

    Args:
        descriptor: The checkpoint.
        vae: `taesd`, a folder, or `owner/name` on the Hub.
        scheduler: A key of `SCHEDULERS`.
        lora: A safetensors file, a folder with one, or `owner/name` on the Hub.
        offline: Fetch nothing.

    Raises:
        UsageError: the checkpoint takes no other parts, or the scheduler is unknown.
        ModelError: something is missing, is a pickle, or does not fit.
    """
    asked = {"--vae": vae, "--scheduler": scheduler, "--lora": lora}
    given = [option for option, value in asked.items() if value is not None]
    if given and descriptor.stage != "base":
        raise UsageError(
            f"{given[0]} is for checkpoints of many steps, and {descriptor.name} is a {descriptor.stage} one",
            f"leave out {given[0]}, or choose another --model",
        )
    if scheduler is not None and scheduler not in SCHEDULERS:
        raise UsageError(f"there is no scheduler {scheduler}", f"known are {', '.join(SCHEDULERS)}")
    return Variant(
        None if vae is None else _find_autoencoder(vae, descriptor.latent_channels, offline),
        scheduler,
        None if lora is None else _find_lora(lora, offline),
    )


def _find_autoencoder(name: str, channels: int, offline: bool) -> Path:
    folder = Path(name).expanduser()
    if name == "taesd" and not folder.is_dir():
        name = TAESD
    if not folder.is_dir():
        folder = _fetched(name, "an autoencoder", ("config.json", "*.safetensors"), offline)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind, found = config["_class_name"], config.get("latent_channels", 4)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{folder / 'config.json'} does not describe an autoencoder", "name its folder") from error
    if kind not in AUTOENCODERS:
        raise ModelError(f"{folder} is a {kind}, not an autoencoder that is known here", " and ".join(AUTOENCODERS))
    if found != channels:
        raise ModelError(
            f"the autoencoder {folder} has latents of {found} channels, the checkpoint of {channels}",
            "SD 1.x goes with taesd; taesdxl, taesd3 and taef1 belong to other models",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"{folder} holds no safetensors weights", _hint_for_pickles(folder))
    return folder


def _find_lora(name: str, offline: bool) -> Path:
    path = Path(name).expanduser()
    if path.suffix.lower() in PICKLES:
        raise ModelError(f"{path} is a pickle, which may run code when it is loaded", "ask for safetensors")
    if path.is_file():
        return path
    folder = path if path.is_dir() else _fetched(name, "a LoRA", ("*.safetensors",), offline)
    found = sorted(folder.glob("*.safetensors"))
    named = [file for file in found if file.name == LORA_FILE]
    if len(named or found) != 1:
        what = "several safetensors files" if found else "no safetensors file"
        raise ModelError(f"{folder} holds {what}", "name the one file" if found else _hint_for_pickles(folder))
    return (named or found)[0]


def _fetched(name: str, what: str, wanted: tuple[str, ...], offline: bool) -> Path:
    if not is_hub_id(name):
        raise ModelError(f"there is no {name}", f"{what} is a folder, or owner/name on the Hub")
    return fetch_from_hub(name, wanted, offline)


def _hint_for_pickles(folder: Path) -> str:
    pickles = [path.name for path in sorted(folder.glob("*")) if path.suffix.lower() in PICKLES]
    return f"{pickles[0]} is a pickle and is not read: ask for safetensors" if pickles else "download it again"


_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([A-Za-z0-9][\w./-]*))?", re.ASCII)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNWANTED = ("*.fp16.*", "*.bf16.*", "*.non_ema.*")


def is_hub_id(name: str) -> bool:
    """Whether a name has the form `owner/name` or `owner/name@revision`."""
    return _HUB_ID.fullmatch(name) is not None


def is_offline() -> bool:
    """Whether the environment forbids fetching (`HF_HUB_OFFLINE`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "on", "yes", "true"}


def is_fetched(name: str) -> bool:
    """Whether an earlier call has fetched something of a repository, at the revision that `name` may have."""
    try:
        fetch_from_hub(name, (), offline=True)
    except (ModelError, OutputError):
        return False
    return True


def fetch_from_hub(name: str, wanted: Sequence[str], offline: bool = False) -> Path:
    """The folder of a repository's files that match one of the patterns `wanted`, fetched where they are not here yet.

    `offline`, or a true `HF_HUB_OFFLINE`, allows only what earlier calls have fetched.

    Raises:
        ModelError: there is no such repository or revision, it needs a login, or the Hub does not answer.
        OutputError: there is no room for it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    found = _HUB_ID.fullmatch(name)
    if found is None:
        raise ModelError(f"{name} is not a name on the Hub", "write owner/name, or owner/name@revision")
    repo_id, revision = found.groups()
    offline = offline or is_offline()
    try:
        return Path(
            snapshot_download(
                repo_id,
                revision=revision,
                allow_patterns=list(wanted),
                ignore_patterns=list(_UNWANTED),
                local_files_only=offline,
            )
        )
    except GatedRepoError as error:
        raise ModelError(
            f"the model {repo_id} must be asked for on the Hub", f"open https://huggingface.co/{repo_id}, then log in"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f"{repo_id} has no revision {revision}", "leave out @ and what follows for the newest"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no model {repo_id}, neither a folder nor on the Hub",
            "check the spelling; private ones need a login",
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        if offline:
            raise ModelError(
                f"the model {name} is not on this machine and fetching is switched off",
                "run once without --offline and HF_HUB_OFFLINE, or use an embedded model",
            ) from error
        raise _unreachable(name) from error
    except HFValidationError as error:
        raise ModelError(f"{name} is not a folder, and not a name on the Hub either") from error
    except HfHubHTTPError as error:
        raise _unreachable(name) from error
    except OSError as error:
        # A disk that fills up is told by a write, which knows no name; without a name the rest is the network's.
        if error.errno in _FULL or (error.errno is not None and error.filename is not None):
            raise OutputError(
                f"the model {name} cannot be kept in {error.filename or HF_HUB_CACHE}: {error.strerror}",
                "free some space, or set HF_HOME to another disk",
            ) from error
        raise _unreachable(name) from error


def _unreachable(name: str) -> ModelError:
    return ModelError(
        f"the model {name} cannot be fetched: the Hugging Face Hub does not answer",
        "check the network, use a model that is here (`movie models list`), or name a folder",
    )
