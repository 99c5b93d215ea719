"""What docs/training.md says is so: its numbers are those of `costs`, its commands are understood."""

import re
import shlex
from pathlib import Path

import click

from movie_cli.cli.root import movie
from movie_cli.train.settings_file import read_settings
from tools import costs

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def test_the_table_is_what_is_counted():
    found = costs.networks()
    rows = {"mobile": "`mobile`, 20,000", "guidance": "`guidance`, 5,000"}
    rows |= {"adversarial: conversion": "conversion |", "adversarial": "`adversarial`: 20,000"}
    for column, machine in enumerate(costs.MACHINES):
        for stage, needed in costs.hours(found, machine):
            line = next(line for line in TEXT.splitlines() if rows[stage] in line)
            cell = line.strip("| ").split("|")[1 + column]
            told = re.findall(r"([\d.]+) h", cell)
            assert abs(float(told[0]) - needed) <= 0.5, (stage, machine.name)
            if column < 2:
                size = costs.memory(found, stage.split(":")[0], machine.low_rank) / 1e9
                assert abs(float(re.findall(r"([\d.]+) GB", cell)[0]) - size) < 0.06


def test_the_commands_are_understood():
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    commands = [line.partition("movie) ")[2] or line.removeprefix("movie ") for line in lines if "train " in line]
    assert len(commands) >= 10
    for command in commands:
        words = shlex.split(command.partition(" > ")[0], comments=True)
        assert words[0] == "train"
        stage = words[1]
        context = movie.commands["train"].commands[stage].make_context(stage, words[2:])
        assert isinstance(context, click.Context)
        config = context.params["config"]
        if config in {"nano", "scratch", "sd15"}:
            read_settings(stage, config, context.params["changes"])
