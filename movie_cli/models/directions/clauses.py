"""The look that one clause says of a place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from movie_cli.looks import looks_of
from movie_cli.models.directions.naming import Named, Place
from movie_cli.models.directions.patterns import ABSTRACT, LOOK, PEOPLE, PUT, THING_PLACES, VERB, P
from movie_cli.models.directions.words import listed

SOFT = (
    r"(?:(?:please|pls|plz|(?:could|can|would|will) (?:you|u|ya)|i (?:wanna|want|wish)(?: that| to)?|it should"
    r"|i need|i(?:'?d| would)? (?:like|love)|we want"
    r"|let's|now|so|hey|hi|and|also|then|maybe|kindly|just|you to|to see|to have|me|to|if|what if|how about|what about"
    r"|ok|okay|well|yo|um|hello|dear|(?:can|could|may) (?:we|i) have|(?:get|show|give) me|go (?:for|with)|i fancy"
    r"|i'?d love|imagine|as for|regarding"
    r"|concerning|since|try|(?:is|would) it (?:be )?possible to(?: have)?)\b,? ?)*"
)
"""What is only polite before an instruction."""
_THANKS = re.compile(
    r"(?: (?:please|pls|plz|thanks|thank you|thx|lol|for me|if possible|ok|(?:would|might) be (?:nice|great|good"
    r"|lovely|cool|better)))+$"
)
_FILL = frozenset(
    listed(
        "make turn paint dye tint colour color colours colors give get have let want set change use do add apply"
        " put show cover covered goes be is are was it its this that the a an some to into in on of for at by as"
        " up down with and but just only so more bit little first look looks looking like style effect filter all"
        " everything everywhere entire whole thing video picture clip scene image frame rest else they them me us"
        " i we i'd id could can would you should must please pls plz thanks thank thx ty cheers haha lol mate bro"
        " dude dear ok pretty hello hi hey though"
    )
)
MATERIAL = r"(?:lava|ice|stone|gold|silver|bronze|marble|wood|clay|glass|water|sand|mud|grass|snow|paper|chrome)"
_PLACE = r"§\d+§"
OWN = ABSTRACT | THING_PLACES
"""Places of which a look with nothing beside it is one of their own: "a bokeh background", and no snowy road."""
STYLES = ("drawing_and_painting", "film_and_device", "photography", "colours_and_materials")
"""Kinds of looks of which no scene is described."""
NO_LOOK = (
    r"(?:with|for|on|in|of|at|to|from|and|or|no|not|only|just|some|more|less|very|like|as|by|use|see|real|is|are)\b"
)
_WISHED = re.compile(
    r"^(?:.*\b)?(?:want|wish|need|love|fancy|imagine|suppose|think|try|i'?d like|would like|(?:any )?chance of"
    r"|go with|make it so|so"
    r"|(?:how|what) (?:would|if|about)|see (?:what|how))(?: that| if| what| for)? (§\d+§)"
    r"(?: (?:would|could|should|was|were|is|are|to|look|looked|looking|be|being|go|going|turn|turning|become))+"
    r"(?: (?:nicer|better|good|great|nice|cool|like))* "
)
"""How a sentence begins that wishes something of a place: what if the grass was purple."""
TURNED = re.compile(
    rf"{SOFT}(?:{VERB} (?:it|'?em|them|that)\b|(?!(?:love|like|see|is|was|do|leave|keep)\b)[a-z]+ (?:it|them)\b"
    r"|i(?: want| need| prefer| would like|'d like|'d prefer) (?:it|them)\b"
    r"|(?:can|could|should|may|might) (?:it|they|that) (?:be|become|look)\b)"
)
_BECOME = r"(?:(?:to )?(?:be|become|appear|turn|get)|to)"
_PLAIN = frozenset(listed("change set get have let want convert transform shade show do"))
_DYED = frozenset(listed("paint dye colour color tint spray recolour recolor"))
_ALTER = frozenset(listed("change edit alter affect treat process do work"))
_ACT = frozenset(listed("blur darken brighten lighten"))
_MORE_OR_LESS = {" up": "more", " down": "less", " out": "not"}
_HANDLE = frozenset(listed("put move add show remove delete"))
_NO_VERB = frozenset(
    listed(
        "on in for to at over of from with by and or the a like as into onto under behind above near beneath"
        " below between beside across along toward towards around about through than not it this that these i who"
        " is are was were be can could should would may might will does bring open close covered when while until"
        " since because before after where what how why if"
    )
)
_SITUATION = re.compile(r"\b(?:he|she|it|they|we)(?:'s|'re| is| are| was| were|'d)(?! made)\b")
_PAST = re.compile(r"\b(?:was|were|had)\b")
_TOLD = re.compile(
    r"\b(?:hung|lay|fell|rolled|(?!infrared|red)\w+ed"
    r"|(?!painting|drawing|engraving|lighting|lightning|etching|spring|evening|morning)\w+ing)(?: up| down)?$"
)
"""How a sentence ends that tells: mist hung, the sun going."""
_OPENER = re.compile(
    r"\b(?:like|as|when|where|while|under|if|inspired|similar|reminiscent|with|was|were|is|are|had|has|lay|until|because)\b"
)
_TIMES = re.compile(
    r"\b(?:night|dawn|dusk|sunset|sunrise|morning|evening|winter|summer|autumn|spring|day|walk|walking|party|life|weather)\b"
)
_AMOUNT = re.compile(
    rf"{SOFT}(?:increase|raise|lower|reduce|decrease|boost|drop|lift|enhance|intensify|turn (?:up|down))\b"
)
_ASKS = re.compile(rf"{SOFT}(?:{VERB}|hide|lose|bring|fill|use) ")
_PREPOSITION = (
    r"(?:onto|on|into|in|to|for|all over|over|above|across|upon|throughout|through|between|among|amongst|of)"
    r"(?: top of)?"
)
_ASIDE = re.compile(
    r"(?:was|were|had|has|have|that|which|who|where|of|from|with|to|turns?|goes|go"
    r"|at (?!night|sunset|dusk|dawn|sunrise))\b|\w+(?:ed|ing)\b"
)
"""How words begin that say which place is meant, or what it does."""


@dataclass(frozen=True)
class Target:
    """The names of the places that a clause is about, and the look it says: empty where another clause says it.

    `weak` is set where it may as well be a part of a description.
    """

    names: tuple[str, ...]
    look: str
    weak: bool = False


def content(text: str) -> list[str]:
    """The words of a text that say what it is to look like."""
    return [word for word in re.findall(r"[\w'&/-]+", text.lower().replace("’", "'")) if word not in _FILL]


def body_of(clause: str) -> str:
    """A clause without what is only polite."""
    return _THANKS.sub("", re.sub(rf"^{SOFT}", "", _WISHED.sub(r"\1 should be ", clause.strip())))


def target_of(body: str, named: Named, separator: str = "", following: str = "") -> Target | None:
    """What a clause is about; None for the whole picture. `following` is the clause after it and its separator."""

    def wanted(found: re.Match[str]) -> str:
        place = named.of(found[2])
        return found[0] if place.kind == "the" else f"{found[1].rstrip()} {place.words}".lstrip()

    def bare(found: re.Match[str]) -> str:
        return found[0] if named.of(found[2]).kind else wanted(found)

    # What something is to become, or what is put on it, is no place: "replace the grass with sand".
    body = re.sub(rf"(?<=§)(.*? (?:with|into|to|like|as|than|for)(?: [a-z]+)??) {P}", wanted, body)
    body = re.sub(rf"^((?:[a-z]+ )?){P}(?= (?:on|onto|over|all over|across) )", bare, body)
    body = re.sub(rf"^give {P} (?:an? )?(?={P})|^{P}.* (?:should|must|could|to|shall) have (?={P})", "give ", body)
    body = re.sub(rf"^(?:see|show|have|imagine) (?:{P}|him|her|them|me|us) with (?:an? )?(?={P})", "give ", body)
    numbers = re.findall(P, body)
    if not numbers:
        return None
    place = named.of(numbers[0])
    look = None
    if len(numbers) == 1 or (place.kind == "a" and set(named.of(numbers[1]).names) <= PEOPLE):
        look = _look(body, place, separator, following.strip())
    if look is None and place.sure and not _PAST.search(body):
        look = re.sub(rf"(?:\b{PUT} )?(?:the )?{P}", "", body)
    if look is None:
        return None
    asks = place.sure or re.match(rf"(?:{VERB}|can|could|may|will|would)\b|.*\bshould\b", body)
    return Target(place.names, look, weak=not asks and bool(content(look)))


def _look(body: str, place: Place, separator: str, following: str) -> str | None:  # noqa: PLR0911, PLR0912 - all ways to say it
    if _SITUATION.search(body):
        return None
    if found := re.fullmatch(rf"(?:replace|swap|exchange|substitute)(?: out)? {P} (?:with|for|by) (?P<x>.+)", body):
        return f"make it {found['x']}"
    colour = r"(?P<colour>(?:all )?(?:of )?(?:the )?colou?rs?)"
    if found := re.fullmatch(
        rf"(?:remove|take|drain|suck|strip|wash|bleach|pull) {colour}(?: out)?(?: away)? (?:from|of|in) {P}", body
    ):
        return f"remove {found['colour']}"
    if found := re.fullmatch(
        rf"(?P<verb>[a-z-]+)(?P<way> (?:up|down|out|(?<=paint )over))? {P}(?: (?P<tail>.+))?", body
    ):
        look = _done(found["verb"], found["way"] or "", found["tail"] or "", place)
        if look is not None:
            return look
    found = re.fullmatch(rf"(?P<look>.+?),? (?P<prep>{_PREPOSITION})(?: the)? {P}(?P<tail> .*)?", body)
    if found and _is_put(found["look"], found["prep"], place):
        return found["look"] + (found["tail"] or "")
    for way in (
        rf"(?P<look>.+?) (?:instead of|where) (?:there(?:'s| is| are) )?{P}(?: is| are)?",
        rf"where (?:there(?:'s| is| are) )?{P}(?: is| are)?,? (?:i want|i'd like|put|make it) (?P<look>.+)",
        rf"make (?P<look>.+) out of {P}",
    ):
        if found := re.fullmatch(way, body):
            return f"make it {found['look']}"
    told = r"(?:i want|i'd like|there should be|everything should be|put|make it|add|give it)"
    if found := re.fullmatch(rf"(?:in|on|for) {P},? {told} (?P<look>.+)", body):
        return found["look"]
    alone = rf"(?:an? )?(?P<look>(?!(?:{VERB}|{NO_LOOK})\b)[\w-]+(?<!-haired)(?: (?!{NO_LOOK})[\w-]+)?) {P}"
    if not place.kind and (found := re.fullmatch(alone, body)) and _is_own(found["look"], place):
        return found["look"]
    amount = r"(?P<look>(?:more|some|a bit|an?|less) .+)"
    if found := re.fullmatch(
        rf"{P} (?:needs?|wants?|could (?:use|do with)) (?:{amount}|(?P<thing>(?!to )[a-z ]+))", body
    ):
        return found["look"] or found["thing"]
    if _is_topic(body, place, separator.strip(), following):
        return ""
    if place.kind == "a":
        verb = r"(?:(?:give|add|make|put|apply|do|use|with|want) )?(?:(?:it|this|me|us|everything|there) )?(?:be )?"
        tail = r"(?P<tail> (?:with|like|look|please) .*| look| effect)?(?: everywhere)?"
        found = re.fullmatch(rf"{verb}(?:the )?{P}{tail}(?: {PUT} {P})?", body)
        return place.attributes + (found["tail"] or "") if found else None
    return _said(body, place, following)


def _is_own(look: str, place: Place) -> bool:
    """Whether a look before a place is that place's, as no scene is described by them: "a mosaic floor"."""
    return place.names[0] in OWN or looks_of([look.rsplit(maxsplit=1)[-1]])[0].kind in STYLES


def _is_topic(body: str, place: Place, separator: str, following: str) -> bool:
    """Whether a clause names a place of which the following one says the look: "the sky, but pink"."""
    if place.kind == "a" or not content(following):
        return False
    topic = re.fullmatch(rf"(?:i (?:don't|do not|hate|dislike)(?: like)?|(?P<verb>[a-z-]+)) {P}", body)
    if topic and topic["verb"] not in _NO_VERB and TURNED.match(following):
        return True
    if re.fullmatch(rf"(?:on|in|for) {P}", body) and place.kind == "the" and "," in separator:
        return not re.match(r"(?:at|in|on|with|under|by)\b", following)
    changed = rf"(?:(?:make|change|edit|alter|affect) )?(?:{PUT} )?(?:the )?{P}(?: (?:should|must) (?:be )?change\w*)?"
    if not re.fullmatch(changed, body):
        return False
    plain = separator in {"but", ",", ", but"} and re.fullmatch(
        rf"(?:{LOOK}(?: [a-z]+)?|as .+)", re.sub(r"^(?:but|only|just) ", "", following)
    )
    return bool(place.sure or re.search("[:=>]", separator) or plain or place.names[0] in ABSTRACT)


def _done(verb: str, way: str, tail: str, place: Place) -> str | None:  # noqa: PLR0911 - one for each way to say it
    """The look of something that is done to a place."""
    known = re.fullmatch(VERB, verb)
    if verb in _NO_VERB or place.kind == "a" or not (place.kind or known):
        return None
    if not tail:
        if way and "colo" in place.words and verb in {"turn", "tone", "bring", "calm", "take"}:
            return f"make it {_MORE_OR_LESS.get(way, way)} colourful"
        return "" if verb in _ALTER else None if known and verb not in _ACT else f"{verb} it{way}"
    become = re.sub(rf"^{_BECOME} ", "", tail)
    says = says_look(become, place)
    if not place.kind and verb not in {"cover", "coat", "give"} and not says:
        return None
    if re.match(rf"(?:into|look like|to look like) (?!{MATERIAL}$)", tail) and re.search(
        r"\b(?:street|skyline|football)", place.words
    ):
        return None  # a street that is to look like another is the scene
    if verb in _HANDLE and not re.match(rf"{_BECOME} |out of focus|into an? |in (?:an? )?{LOOK}\b", tail):
        return None
    if verb in _PLAIN and (become != tail or verb in {"get", "have", "let", "want"}):
        return f"make it {become}"
    if verb in _DYED and re.match(rf"(?:(?:in|with|a|very|all|completely) )*{LOOK}", become):
        return f"make it {become}"
    return f"{verb} it{way} {become if verb in _DYED else tail}"


def _is_put(look: str, preposition: str, place: Place) -> bool:
    """Whether `look` is put on a place, rather than that a scene is described."""
    if _PAST.search(look) or _TOLD.search(look):
        return False
    if place.sure or place.words == "background":  # what is behind somebody
        return True
    amount = _AMOUNT.match(look) is not None
    asks = amount or _ASKS.match(look) is not None
    if preposition == "of":
        return amount
    if (
        _OPENER.search(look)
        or place.kind == "a"
        or not content(look)
        or re.match(r"(?:zoom|push|pan|cut|focus)\b", look)
    ):
        return False
    if preposition in {"in", "into", "through", "throughout"}:
        less = re.match(rf"(?:more|less|some|a bit of|no|all the|lots of) (?:{LOOK}|colou?r)\b", look)
        return place.kind == "the" and bool(place.names[0] in ABSTRACT or asks or less)
    return asks or preposition != "over" or not _TIMES.search(look)


def _said(body: str, place: Place, following: str) -> str | None:  # noqa: PLR0911 - one for each way to say it
    """The look of a sentence whose subject is the place."""
    polite = r"(?:maybe |perhaps |please |just |all |also )*"
    asked = (
        rf"(?:can|could|should|may|will|would) (?:the )?{P} {polite}(?:(?:be|look|become|have|get) |(?=glow|shine"
        rf"|sparkle))(?P<tail>.+)"
    )
    if found := re.fullmatch(asked, body):
        return f"make it {found['tail']}"
    if not (found := re.fullmatch(rf"(?P<a>an? )?(?:the )?{P} (?P<tail>.+)", body)):
        return None
    tail = found["tail"]
    if found["a"] and (place.names[0] in PEOPLE or not re.match(rf"in {LOOK}\b", tail)):
        return None
    should = r"(?:should|must|shall|ought to|has to|have to|needs? to|could|can|may|to)"
    become = rf"(?P<become>{_BECOME} |have |do with (?:some |a bit of )?)?"
    if wanted := re.fullmatch(rf"{should} {become}(?P<tail>.+)", tail):
        sure = re.search(rf"\b{LOOK}$", tail) or (wanted["become"] and place.names[0] not in PEOPLE)
        return f"make it {wanted['tail']}" if sure or says_look(wanted["tail"], place) else None
    if re.match(r"(?:is|are|looks?) (?:much |way |far )?too ", tail):
        return f"it is {tail.split(' ', 1)[1]}"
    if re.match(r"(?:is|are|looks?|seems?)\b", tail):
        return None
    anything = (place.kind == "the" and place.names[0] in ABSTRACT) or (
        place.names == ("background",) and len(tail.split()) < 3
    )
    return f"make it {tail}" if (anything and not _ASIDE.match(tail)) or says_look(tail, place) else None


def says_look(tail: str, place: Place) -> bool:
    """Whether words after a place say what it is to look like."""
    words = (
        r"(?:(?:in|both|more|less|very|bright|deep|light|dark|pale|all|a bit|a little|a lot|into|an?|completely"
        r"|look) )*"
    )
    made = r"(?:(?:made|carved|built|cast|cut)(?: out)? (?:of|from|in) |out of (?!focus|this))"
    medium = r"in (?:water ?colou?r|oil|ink|pencil|charcoal|pastel|crayon|mosaic|the style)s?\b"
    patterns = [
        rf"{words}(?:{LOOK}\b|(?!over|under|after|water|power|weather)[a-z]+er\b)",
        made,
        rf"as (?:an? )?(?:{LOOK}|{MATERIAL})\b",
        r"in (?:[^ ,]+ ){0,3}(?:style|look|colou?rs?|tones?)\b|(?:glow|shine|sparkle)\b|out of focus\b",
    ]
    if place.names[0] == "sky":
        patterns.append(r"(?:at|in the) (?:sunset|dusk|dawn|sunrise|night|evening|morning)\b")
    if place.kind == "the" or place.names[0] in ABSTRACT:
        patterns.append(rf"(?:like|as|look like|look) |{medium}")
    return any(re.match(pattern, tail) for pattern in patterns)
