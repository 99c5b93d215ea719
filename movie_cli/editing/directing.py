"""How an instruction is understood: its look, the place where it goes, and what is to be said of both.

The text encoder of a checkpoint that sees regions reads the look alone; other checkpoints read an instruction whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from movie_cli.backends import EmbeddedInstruction, registry
from movie_cli.checkpoints.descriptor import Descriptor
from movie_cli.checkpoints.store import open_model
from movie_cli.editing.request import EditRequest
from movie_cli.errors import MovieError, UsageError
from movie_cli.looks import looks_of
from movie_cli.models.directions import PEOPLE, Directions, content, own_place, read_directions
from movie_cli.recipe import Recipe
from movie_cli.timeline import texts_of

Embed = Callable[[str], EmbeddedInstruction]
"""Gives the embedding of an instruction's look (see `Editor.embed`)."""
STRICT_HINT = "leave out --strict to edit nevertheless; `movie preview` shows what comes of it"
_HANDLES = re.compile(
    r"\s*(?:please |could you |can you )?(add|put|insert|remove|delete|erase|replace|swap|move)\b", re.I
)
_VERBS = {"put": "add", "insert": "add", "delete": "remove", "erase": "remove", "swap": "replace"}


def directions_of(descriptor: Descriptor, instruction: str) -> Directions:
    """Look and place of one instruction; of a checkpoint that sees no regions the whole text is the look.

    A look that has a place of its own (blonde: the hair) goes there, unless another place than people is named.
    """
    if not descriptor.sees:
        return Directions(instruction)
    found = read_directions(instruction)
    return replace(found, only=_narrowed(descriptor, found.look, found.only, found.spared))


def _narrowed(descriptor: Descriptor, look: str, only: str | None, spared: str | None) -> str | None:
    """Where a look goes that has a place of its own: there, if no place is named, or people are."""
    people = only is None or {*only.split(",")} <= PEOPLE
    own = own_place(look, descriptor.edits) if descriptor.sees and people else None
    kept = set(spared.split(",")) if spared else set()
    return only if own is None or kept & {own, *PEOPLE} else own


def places_of(descriptor: Descriptor, recipe: Recipe, *, masked: bool = False) -> tuple[str | None, str | None]:
    """The places that an edit goes to and keeps out of: the recipe's, else those that its instruction names.

    Where `--only` or a mask says where, the words count for nothing; `--except` stands for what they leave alone.

    Raises:
        UsageError: instructions at different times name different places.
    """
    if masked:
        return recipe.only, recipe.except_for
    found = [directions_of(descriptor, text) for text in texts_of(recipe.instruction)]
    if recipe.only is not None:
        own = {_narrowed(descriptor, each.look, recipe.only, recipe.except_for) for each in found}
        return own.pop() if len(own) == 1 else recipe.only, recipe.except_for
    places = {(each.only, each.spared) for each in found}
    if len(places) > 1:
        named = "; ".join(each.where or "the whole picture" for each in found)
        raise UsageError(
            f"the instructions are about different places: {named}",
            "an edit goes to one: name it with --only",
        )
    only, spared = places.pop()
    return only, recipe.except_for or spared


def understood(descriptor: Descriptor, recipe: Recipe, *, masked: bool = False) -> dict[str, str]:
    """What decides pixels in how the instruction is read, by name; empty where it is read as it stands."""
    texts = [text for step in recipe.chain for text in texts_of(step.instruction)]
    looks = [directions_of(descriptor, text).look for text in texts]
    asked = [(step.only, step.except_for) for step in recipe.chain]
    places = [places_of(descriptor, step, masked=masked) for step in recipe.chain]
    where = [Directions("", *place).where or "everything" for place in places]
    return {
        **({"look": "; ".join(looks)} if looks != texts else {}),
        **({"place": "; ".join(where)} if places != asked else {}),
    }


def told_of(descriptor: Descriptor, recipe: Recipe, embed: Embed | None, *, masked: bool = False) -> list[str]:
    """Of each edit in a row a sentence on how it is read; none of one that simply says what is done."""
    read = [reading(descriptor, step, embed, masked=masked) for step in recipe.chain]
    return [f"understood as {in_words(one)}" for one in read if one]


def in_words(one: Mapping[str, str]) -> str:
    """What `reading` gives, as a clause."""
    return ", ".join(f'{name} "{said}"' for name, said in one.items())


def reading(descriptor: Descriptor, step: Recipe, embed: Embed | None, *, masked: bool = False) -> dict[str, str]:
    """The look that one edit is taken for and its place, by these names; without what its words simply are.

    A look has its name where the checkpoint names looks and knows the instruction, else the words that ask for it.
    """
    looks = [_look(descriptor, text, embed) for text in texts_of(step.instruction)]
    found = {key: said for key, said in understood(descriptor, step, masked=masked).items() if key != "look"}
    said = [look for look, _ in looks if look]
    return found if all(plain for _, plain in looks) or not said else {"look": "; ".join(said)} | found


def _look(descriptor: Descriptor, text: str, embed: Embed | None) -> tuple[str, bool]:
    """What an instruction is taken for, "" where nothing of it is done; and whether its words simply say so."""
    look = directions_of(descriptor, text).look
    if not descriptor.edits or not look or embed is None:
        return look, look == text
    asked = looks_of(embed(text).asked)
    named = " and ".join(each.title for each in asked) or look
    return named, content(text) in [content(named), *(content(each.words) for each in asked if len(asked) == 1)]


def advice(descriptor: Descriptor, instruction: str, text: EmbeddedInstruction) -> str:
    """What to say of an instruction of which not all can be done; empty where there is nothing to say."""
    found, name = directions_of(descriptor, instruction), descriptor.name
    said = []
    verb = found.cannot
    if not verb and not text.known and (handles := _HANDLES.match(found.look)) and descriptor.edits:
        verb = _VERBS.get(handles[1].lower(), handles[1].lower())
    if verb:
        done = "" if found.look else ": the picture is left as it is"
        said.append(f'{name} changes how things look and cannot {verb} them, as "{instruction}" asks{done}')
    if found.unknown:
        meant = {*f"{found.only or ''},{found.spared or ''}".replace("_", " ").split(",")}
        near = f"; the nearest is {found.nearest}" if found.nearest else ""
        takes = (
            f"takes all of {found.nearest}"
            if found.nearest and found.nearest in meant
            else f"edits the whole picture{near}"
        )
        said.append(f'{name} knows no place "{found.unknown}", and {takes} (`movie mask --help` lists the places)')
    if found.left_out:
        said.append(f'"{found.left_out}" is left out: an edit is one look for one place; --then adds another')
    if not text.known and found.look:
        said.append(_unknown(descriptor, found.look, text))
    return ". ".join(said)


def _unknown(descriptor: Descriptor, look: str, text: EmbeddedInstruction) -> str:
    """What to say of a look that the checkpoint was not trained on, with one that works."""
    words = ", ".join(f'"{look.words}"' for look in looks_of(text.nearest))
    return (
        f'{descriptor.name} was not trained on "{look}" and may leave the picture as it is; it knows {words} '
        "and others: see `movie looks` (another checkpoint: --model)"
    )


def unknown_instructions(requests: Iterable[EditRequest]) -> list[tuple[str, int]]:
    """A sentence for each instruction of which its model cannot do all, and how many requests have it."""
    wanted = Counter(
        (each.recipe.model, text, each.offline)
        for each in requests
        for step in each.recipe.chain
        for text in texts_of(step.instruction)
    )
    judges: dict[str, Embed | None] = {}
    found = []
    for (model, instruction, offline), count in wanted.items():
        try:
            descriptor = open_model(model, offline)
            if model not in judges:
                judges[model] = embedder(descriptor)
            judge = judges[model]
            if judge is None:
                continue
            told = advice(descriptor, instruction, judge(instruction))
            if told:
                found.append((told, count))
        except MovieError:
            continue
    return found


def embedder(descriptor: Descriptor) -> Embed | None:
    """What embeds instructions without an edit's networks, as far as is told of them; None where any text is taken."""
    if not descriptor.edits:
        return None
    if descriptor.export is None:
        from movie_cli.checkpoints.load import load_text

        encoder = load_text(descriptor.folder)

        def embed(text: str) -> EmbeddedInstruction:
            encoded = encoder.encode(directions_of(descriptor, text).look)
            return EmbeddedInstruction(encoded.tokens, None, encoded.known, encoded.nearest, encoded.asked)

        return embed
    backend = registry.open_backend(descriptor, registry.choose_runtime(descriptor))
    return lambda text: backend.embed_text(directions_of(descriptor, text).look)
