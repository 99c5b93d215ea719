"""From what a user types after `--model` to a checkpoint folder on this machine.

Promises to look in a fixed order (the embedded models, the user's models folder, a folder, the Hugging Face Hub),
to fetch nothing when offline, and to fetch only JSON, safetensors and vocabularies. Loads no weights.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from movie_cli.checkpoints.descriptor import Descriptor, read_descriptor
from movie_cli.checkpoints.exported import is_export
from movie_cli.checkpoints.folder import PARTS_WITH_WEIGHTS, check_folder
from movie_cli.errors import ModelError
from movie_cli.places import models_folder

EMBEDDED = Path(__file__).parent
"""The package folder whose subfolders with a `movie.json` are the embedded checkpoints."""

DEFAULT_MODEL = "nano"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
# By part, not by ending alone: published repositories keep tens of gigabytes of other weights beside these.
_WANTED = [
    "model_index.json",
    "movie.json",
    *(f"{part}/{name}" for part in PARTS_WITH_WEIGHTS for name in ("*.json", "*.safetensors")),
    "tokenizer/*.json",
    "tokenizer/*.txt",
    "scheduler/*.json",
]
_UNWANTED = ["*.fp16.*", "*.bf16.*", "*.non_ema.*"]


def resolve(name_or_folder: str, offline: bool = False) -> Path:
    """The folder of the checkpoint that `name_or_folder` means.

    `name_or_folder` is the name of an embedded or local model, a folder, or `owner/name` on the Hugging Face Hub.
    `offline`, or a true `HF_HUB_OFFLINE`, allows only what earlier calls have fetched.

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
    if _HUB_ID.fullmatch(name_or_folder):
        return _from_hub(name_or_folder, offline or _hub_offline())
    near = difflib.get_close_matches(name_or_folder, named, n=1)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else "`movie models list` shows what is here; a folder or owner/name also works"
    )
    raise ModelError(f"there is no model {name_or_folder}", hint)


def open_model(name_or_folder: str, offline: bool = False) -> Descriptor:
    """Resolve, check and describe a checkpoint.

    Raises:
        ModelError: there is no such checkpoint, or its folder does not pass `check_folder`.
    """
    folder = resolve(name_or_folder, offline)
    check_folder(folder)
    return read_descriptor(folder)


def list_models() -> list[Descriptor]:
    """The embedded checkpoints and those in the user's models folder, by name.

    A damaged one is left out here; `open_model` on its name tells what is wrong with it.
    """
    found = []
    for _, folder in sorted(_named().items()):
        try:
            found.append(read_descriptor(folder))
        except ModelError:
            continue
    return found


def damaged_models() -> list[tuple[str, ModelError]]:
    """Names and errors of the checkpoints that `list_models` leaves out."""
    found = []
    for name, folder in sorted(_named().items()):
        try:
            read_descriptor(folder)
        except ModelError as error:
            found.append((name, error))
    return found


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


def _hub_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "on", "yes", "true"}


def _from_hub(repo_id: str, offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        return Path(
            snapshot_download(repo_id, allow_patterns=_WANTED, ignore_patterns=_UNWANTED, local_files_only=offline)
        )
    except GatedRepoError as error:
        raise ModelError(
            f"the model {repo_id} must be asked for on the Hub", f"open https://huggingface.co/{repo_id}, then log in"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no model {repo_id}, neither a folder nor on the Hub",
            "check the spelling; private ones need a login",
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        if offline:
            raise ModelError(
                f"the model {repo_id} is not on this machine and fetching is switched off",
                "run once without --offline and HF_HUB_OFFLINE, or use an embedded model",
            ) from error
        raise _unreachable(repo_id) from error
    except HFValidationError as error:
        raise ModelError(f"{repo_id} is not a folder, and not a name on the Hub either") from error
    except (HfHubHTTPError, OSError) as error:
        raise _unreachable(repo_id) from error


def _unreachable(repo_id: str) -> ModelError:
    return ModelError(
        f"the model {repo_id} cannot be fetched: the Hugging Face Hub does not answer",
        "check the network, use a model that is here (`movie models list`), or name a folder",
    )
