"""Fetching from the Hugging Face Hub: JSON, safetensors and vocabularies, nothing else.

A repository may be pinned, `owner/name@revision`: a branch, a tag or a commit. What was fetched before stays in the
Hub's own cache on this machine; an interrupted download goes on with the files that are not whole yet.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from movie_cli.errors import ModelError, OutputError

_HUB_ID = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([A-Za-z0-9][\w./-]*))?", re.ASCII)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNWANTED = ("*.fp16.*", "*.bf16.*", "*.non_ema.*")


def is_hub_id(name: str) -> bool:
    """Whether a name has the form `owner/name` or `owner/name@revision`."""
    return _HUB_ID.fullmatch(name) is not None


def is_offline() -> bool:
    """Whether the environment forbids fetching (`HF_HUB_OFFLINE`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "on", "yes", "true"}


def is_here(name: str) -> bool:
    """Whether an earlier call has fetched something of a repository, at the revision that `name` may have."""
    try:
        fetch(name, (), offline=True)
    except (ModelError, OutputError):
        return False
    return True


def fetch(name: str, wanted: Sequence[str], offline: bool = False) -> Path:
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
