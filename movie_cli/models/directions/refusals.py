"""Clauses that ask for what no look does, or for a look of a thing that is no place."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from movie_cli.models.directions.clauses import content
from movie_cli.models.directions.naming import Named
from movie_cli.models.directions.patterns import INNER, LOOK, NAMED, THE, THING, VERB, P, thing_place
from movie_cli.models.directions.words import LOOKS_LIKE_THINGS, NOT_ADDED, SCENES

_ONE = rf"(?:a|an|another|some|more|two|three|many|several|a few|a couple of|{THE})"
_SOMETHING = rf"(?:(?:{_ONE} )?(?:[a-z-]+ )?(?P<thing>{THING})(?![\w'])|(?:{_ONE} )?(?:[a-z-]+ )?{P})"
_SOMEWHERE = (
    r"(?: (?:on|in|to|at|next|behind|near|beside|for|above|over|under|between|somewhere|there|here|\w+ing)\b.*)?"
)
_CANNOT = tuple(
    (verb, re.compile(pattern))
    for verb, pattern in (
        ("remove", rf"(?:remove|delete|erase|eliminate|get rid of|take (?:away|out)|cut out) {_SOMETHING}(?: .*)?"),
        (
            "remove",
            rf"(?:make )?{P} (?:(?:should|must|to|has to|have to) )?"
            r"(?:disappear|vanish|invisible|go away|(?:be )?(?:gone|removed|deleted))",
        ),
        ("remove", rf"(?:without|no|no more) (?:any )?{P}"),
        (
            "add",
            r"(?:add|put|insert|place|include|draw|bring in|give (?:§\d+§|him|her|them|me|us)|make §\d+§ wear"
            r"|there should be)(?: in)? "
            rf"{_SOMETHING}{_SOMEWHERE}",
        ),
        (
            "replace",
            rf"(?:replace|swap|exchange|substitute)(?: out)? (?:§\d+§|{THE} [a-z]+) (?:with|for|by) {_SOMETHING}"
            r"(?: .*)?",
        ),
        ("replace", rf"(?:swap|exchange) {P}"),
        ("replace", rf"(?:turn|change|transform|convert|morph) §\d+§ (?:in)?to {_SOMETHING}"),
        ("move", rf"(?:move|shift|rotate|flip|resize|enlarge|shrink|duplicate|clone|mirror) {_SOMETHING}(?: .*)?"),
        ("move", rf"put {_SOMETHING} (?:on(?: top of)?|into|next to|under|behind|in front of|beside|inside) .*"),
        (
            "move",
            rf"make {P} (?:look )?(?:\w+ years |much |a bit |a lot )?"
            r"(?:bigger|smaller|taller|larger|thinner|fatter|shorter|wider|younger|older|longer)",
        ),
    )
)
_BECOMES = rf"(?: (?:look |to |in |into |more |a |an |very |bright |light |dark |deep )*(?:{LOOK}\b|like\b).*)"
_NO_PLACE = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<verb>make|turn|paint|dye|colou?r|change|blur|darken|brighten|lighten|want|give)(?: out)? "
        rf"(?:{THE}|an?) (?:{INNER} )?(?P<thing>{THING})(?P<tail>{_BECOMES})?",
        rf"(?P<verb>)(?P<tail>.*?),? ?(?P<spared>except(?: for)?|apart from|aside from|besides"
        rf"|but not) {THE} (?P<thing>{INNER})",
        rf"(?P<verb>make|turn|paint|dye|colou?r) {THE} (?P<thing>{INNER})(?P<tail> (?:{LOOK}|light|bright)\b.*)",
    )
)


@dataclass(frozen=True)
class Refusal:
    """The verb of what no look does, or a thing that is no place; and what is left of the clause."""

    verb: str = ""
    thing: str = ""
    rest: str = ""


def refused(body: str, named: Named) -> Refusal | None:
    """What is wrong with a clause; None for nothing."""
    for verb, pattern in _CANNOT:
        found = pattern.fullmatch(body)
        if found and _is_a_thing(verb, found, named):
            return Refusal(verb)
    for pattern in _NO_PLACE:
        found = pattern.fullmatch(body)
        if found is None or found["thing"] in SCENES or not content(found["thing"]):
            continue
        tail, spared = (found["tail"] or "").strip(), "spared" in pattern.groupindex
        if spared or (not found["verb"] and found["thing"].removesuffix("s") in LOOKS_LIKE_THINGS):
            return Refusal(thing=found["thing"], rest=tail) if spared else None
        if tail or found["verb"] in {"blur", "darken", "brighten", "lighten"}:
            return Refusal(thing=found["thing"], rest=f"{found['verb'] or 'make'} it {tail}".rstrip())
    return None


def nearest(thing: str) -> str:
    """The place that comes nearest to a thing that is none, by what it is, else by its letters; empty for none."""
    return thing_place(thing) or next(iter(difflib.get_close_matches(thing, NAMED, 1)), "")


def _is_a_thing(verb: str, found: re.Match[str], named: Named) -> bool:
    """Whether what a pattern found is a thing, and not the sky, or fire that is a look."""
    thing = found.groupdict().get("thing")
    if thing is not None:
        if verb in {"remove", "move"}:
            return True
        looks = {thing, thing.removesuffix("s")} & LOOKS_LIKE_THINGS
        return not looks and (found[0].startswith("give ") or not re.match(rf"{VERB} {THE} ", found[0]))
    place = named.of(next(group for group in found.groups() if group and group.isdecimal()))
    if "colo" in place.words or place.words.split()[-1] in LOOKS_LIKE_THINGS:
        return False
    if verb == "add":
        given = found[0].startswith("give") and place.kind == "a"
        return place.kind != "the" and (place.part != "" or not (given or place.names[0] in NOT_ADDED))
    if verb == "replace":
        called = [named.of(number).words.split()[-1].removesuffix("s") for number in re.findall(P, found[0])]
        same = len({*called}) < len(called)  # "turn the dog into a cartoon dog"
        return not same and place.names[0] not in NOT_ADDED - {"water"}
    return verb != "move" or place.kind != "a"
