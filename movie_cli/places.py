"""Where the program keeps things on this machine: settings, models, latents.

Promises one answer for every module: under `MOVIE_HOME` if that is set, else the platform's own folders. Creates
nothing and knows nothing of what is kept there.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APPLICATION = "movie"


def home() -> Path | None:
    """The folder named by `MOVIE_HOME`, or None if the variable is unset or empty."""
    value = os.environ.get("MOVIE_HOME", "")
    return Path(value).expanduser() if value else None


def config_file() -> Path:
    """The settings file, `~/.config/movie/config.toml` on Linux. It need not exist."""
    root = home()
    return (root or platformdirs.user_config_path(APPLICATION, appauthor=False)) / "config.toml"


def latents_folder() -> Path:
    """The folder of the latent cache. It need not exist."""
    root = home()
    cache = root / "cache" if root else platformdirs.user_cache_path(APPLICATION, appauthor=False)
    return cache / "latents"


def outputs_folder() -> Path:
    """The folder of outputs that are on their way to a store. It need not exist."""
    return latents_folder().with_name("outputs")


def graphs_folder() -> Path:
    """The folder of graphs that are made of checkpoints for a backend. It need not exist."""
    return latents_folder().with_name("graphs")


def models_folder() -> Path:
    """The folder whose subfolders are checkpoints known by name. It need not exist."""
    root = home()
    return (root or platformdirs.user_data_path(APPLICATION, appauthor=False)) / "models"
