"""The places that a text names, slips of the keyboard among them, and which of them it says to keep.

A place becomes a number between two `§`, so that whatever looks at the text afterwards is about grammar alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from movie_cli.models.directions.patterns import (
    ABSTRACT,
    HEAD,
    INNER,
    LOOK,
    PUT,
    THE,
    THING,
    THING_PLACES,
    VERB,
    P,
    any_of,
)
from movie_cli.models.directions.slips import mended
from movie_cli.models.directions.words import COLOURS, LOOK_WORDS, MATERIALS, NAMES, NOT_ADDED
from movie_cli.models.negation import softened
from movie_cli.models.region_names import around, place_of


@dataclass(frozen=True)
class Place:
    """A place that is named: its names, the words, what stands before it in `attributes`, and whether "only" does.

    `kind` is "the" for what is there ("the sky", "her hair", "them"), "a" for what is wanted ("a pink sky"), "" for a
    bare word. `part` is the thing that is named where a place is meant that is more than it.
    """

    names: tuple[str, ...]
    words: str
    kind: str
    attributes: str = ""
    sure: bool = False
    part: str = ""


_ACCOMPANIED = (
    r"video|clip|film|footage|movie|picture|photo|recording|scene|shot|ride|trip|tour|chase|race|show|noise|music|sound"
)
"""A dog video is no dog."""
_END = (
    rf"(?:(?:'s)? (?:colou?rs?|tones?|areas?|parts?|paint|tops?|sides?|fronts?))?(?![\w'&\x01-]"
    rf"| (?:{_ACCOMPANIED})s?\b)"
)
_HER = (
    rf"her(?=$|[^\w ]| (?:{LOOK}|an?|in|into|look|like|to|from|should|must|more|less|very|glow|stays?|alone|as"
    rf"|un\w+|out|and|or|is|be"
    r"|the)\b| \d)"
)
"""Who, and not whose."""
_NAMING = re.compile(
    r"(?<![\w\x01'-])(?:(?:the |its |their )?(?:colou?rs?|paint|tones?|hue|surface|texture|tops?|sides?|fronts?"
    r"|edges?) of )?"
    rf"(?:{THE} (?:whole |entire )?(?:{INNER} ){{0,2}}?(?:{HEAD} )?(?P<the>{HEAD}){_END}"
    rf"|(?:(?:a|an|some) )?(?P<look>{LOOK}(?:(?:,| and|) {LOOK}){{0,3}}) (?:{HEAD} )?(?P<a>{HEAD}){_END}"
    rf"|(?:(?:whole|entire) )?(?:{HEAD} )?(?P<bare>{HEAD}){_END}"
    rf"|(?P<who>him|{_HER}|everyone|everybody"
    r"|(?:(?<=make |turn |eave |keep |cept |aint |only )|(?<= on )|(?<= for )|(?<=ehind )|(?<=round )|(?<=i[sz]e )"
    r"|(?<=blur |draw )|(?<=rken |hten |rpen ))(?:me|us|them)"
    r"(?! (?:on|off|up|down|back)\b)"
    r")\b)"
)
_DOES = re.compile(r"(?:^|[,.;:!?] ?|\b(?:and|but|you|please|then) )[a-z]+ $")
_NAMES = tuple(re.compile(rf"\b(?:{name})\b") for name in NAMES)
_COMPARED = re.compile(
    rf"(?:\bas )?(?P<head>§(?P<place>\d+)§|\b(?P<colour>{any_of(COLOURS + MATERIALS)})),? (?:just )?(?:like"
    rf"|as(?= (?:in|on|at|after|an?)\b| [a-z]+$)) (?P<tail>[^,.;]+)$"
)
_NOT_THAT = re.compile(
    rf",? (?:and |but )?(?:not|instead of|rather than) (?:an? |the )?{LOOK}(?: ones?)?(?=$|[,.;!]| but )"
)
"""What it is now: "a white horse, not brown"."""
_WHO = rf"(?:he|she|they|{THE} [a-z]+(?: [a-z]+)?)"
_SAID_OTHERWISE = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\bhands off(?: of)?\b", "do not touch"),
        (r"\b[àa] la\b", "like"),
        (
            r"\b(?:like|as if) (?:it(?:'s| is| was)\b|(?:it|they|he|she)(?:'s|'re| is| are| was| were)"
            r"(?= (?:made|painted|drawn|carved|built|cut|folded|cast)\b))",
            "like",
        ),
        (rf"\b{_WHO} (?:should )?(?:wears?|wore) (?={LOOK}\b)", "the clothes in "),
        (rf"\b(?:put|place|set|stand) (?:us|me|him|her|them|it|{THE} [a-z]+) in front of\b", "make the background"),
        (r"\bgreat-(?=grand)", ""),
        (r"\bwe (?=(?:should |must )?(?:stay|remain|keep)\b)", "the people "),
        (rf"\b(?:the|its|her|his|their) (original|normal|real|natural) (?={HEAD}\b)", r"\1 "),
        (r"\b(?:limit|confine|restrict) (?:(?:the |this )?(.+?) )?to\b", r"\1 only on"),
        (r"\b(?:an? )?redhead(?:ed|s)?\b", "with red hair"),
        (rf"\b({any_of(COLOURS)})[ -](?:tones?|hues?|tints?)\b", r"\1"),
        (
            rf"\bwhat(?:ever)? {_WHO}(?:'s|'re| is| are)? (?:wearing|wears?|dressed in|got on|has on|have on)\b",
            "the clothes",
        ),
        (rf"\b({_WHO}|everyone|everybody|all of them|them|him|her)(?: is| are| all)* dressed in\b", "the clothes in"),
        (r"(?<!the )(?<!our )(?<!his )(?<!her )\bbaby (blue|pink)\b", r"baby-\1"),
    )
)
"""What the other patterns know in other words."""
_GIVEN = re.compile(
    rf"\b(?:give|let|have) (?:her|him|them|me|us|it)(?: have| get)? (?=(?:an? )?(?:{LOOK} ){{1,3}}{HEAD}\b)"
)
"""Who is given blonde hair: nothing is said of what hair is there."""

_POLITE = re.compile(
    r",? (?:like|you know|i mean),(?= )"
    r"|,? (?:i guess|i think|if"
    r" (?:you (?:would|could|can|please|like|don't mind)|possible)\b[^,.;]*|or so)(?=$|[,.;!?])"
)

_IS = r"(?:is|are|was|were)"
_ASIS = (
    rf"(?:completely |exactly |just |all |still )?(?:alone|as (?:(?:it|they|he|she|we) )?(?:currently )?{_IS}|as"
    rf" (?:before|ever)|as[- ]is"
    r"|un(?:changed|touched|edited|affected|altered|treated)|the same|(?:clear(?! blue)|clean|dry|visible|sharp)\b"
    r"|off[ -]limits"
    rf"|(?:the way|the colou?r|like|how|as) (?:it|they|he|she|we) (?:{_IS}|do|does|looks?)(?: now)?"
    r"(?=$|[,.;:!?]| (?:and|but)\b)|normal|natural"
    rf"|original|intact|out of (?:it|this)|out(?! of)"
    r"|exclu\w+|excepted|exempt|in focus"
    r"|(?:in|with) (?:full |its |their |his |her |original |natural |normal )*colou?r(?:s|ed)?(?! of)"
    r"|colou?red|real(?:istic)?|photograph\w*|photo-?real\w*)"
)
_ASIS = f"(?:{_ASIS})"
_MUST = r"(?:(?:should|must|shall|can|may|to|needs? to|ha(?:s|ve) to) )*"
_STAYS = rf"{_MUST}(?:stays?|remains?|staying|be left|be kept|be|left|kept|keeps?"
_STAYS += r"|looks?(?= (?:exactly |just )?(?:like (?:it|they|he|she)|as|how|the way|the same)\b))"
_STAY = rf"(?:{_STAYS} |{_MUST}(?:look )?)"
_PICTURE = r"(?:thing|picture|image|video|scene|clip|frame|film|shot)"
_ALL = rf"(?:everything|everywhere|anything|all(?: of it)?|the (?:(?:whole|entire) )?{_PICTURE})"
_LEAD = r"(?:,? ?\b(?:but|and|while|yet|though|please|just|with)\b)* ?"
_LEAVE = r"leav(?:e|ing)|keep(?:ing)?"
_TOUCH = (
    r"(?:mess(?: around)? (?:with|up)|(?:touch|chang|alter|affect|edit|modify|colou?r|harm|includ|hit|spoil)"
    r"(?:e|es|ed|ing)?)"
)
_KEPT = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?P<all>\b(?:everything|everywhere|all)(?: (?!but\b)[a-z&/]+){{1,4}}?) (?:but|bar|save) {P}",
        rf"(?P<all>\ball(?: [a-z&/]+){{1,4}}?), (?:bar|save) {P}",
        rf"(?P<all>\b{_ALL}),? (?:but|save(?: for)?|bar|minus|outside(?: of)?|else than)(?: not)?"
        rf"(?: {PUT})? {P}",
        rf"(?P<all>\b{_ALL} [a-z]+) around {P}",
        rf"(?P<all>\b(?:{_ALL}|the (?:world|area|space|place)|)) ?\baround {P}",
        rf"(?P<all>\b{_ALL}) (?:that|which|who)(?: is|'s| are)(?:n't| not) (?:an? )?{P}",
        r",? ?\b(?:except(?:ing)?(?: for)?|excluding|apart from|aside from|other than|save for|besides|sparing"
        r"|minus|barring|(?<=, )bar"
        rf"|outside of|with the exception of|not including)(?: {PUT})?(?: where)? {P}(?: alone| is| are)?",
        rf"{_LEAD}\b(?:do not|don't|dont|never|without|not) (?:[a-z]+ )?{_TOUCH}(?: {PUT})? {P}(?: at all)?",
        rf"{_LEAD}\b(?:do not|don't|dont|never|without) (?!(?:make|turn|let|like|want|see|have|need"
        rf"|mind)\b)[a-z]+ {P}(?=$|[,.;!])",
        rf"{_LEAD}\bno (?:change|edit)s?(?: {PUT})? {P}",
        rf"{_LEAD}\bnot(?: {PUT})? {P}",
        rf"(?<=[a-z&/]),? without {P}",
        rf"(?:^|{_LEAD}\b(?:keep|with) )(?:the )?focus (?:only )?on {P}",
        rf"{_LEAD}{P} (?:(?:should|must|to) )?(?:stays?|remains?|keeps?)(?: (?:its|their|his|her)"
        rf" [a-z]+(?= and |[,.;]|$)"
        rf"| (?:in )?{LOOK}|(?=[,.;]|$| and | but ))",
        rf"(?:,|\band\b|\bbut\b) {P} (?:normal|natural|real|clean|clear|untouched|as[ -]is|not)$",
        rf"{_LEAD}{P} (?:(?:should|must) )?(?:stays?|remains?)(?: [a-z]+| §\d+§){{1,3}}(?=$|[,.;])",
        rf"{_LEAD}\b(?:nothing|no change)(?: [a-z]+)? (?:on|for|to|in) {P}",
        rf"{_LEAD}\bkeep (?:[a-z]+ ){{1,3}}?(?:off|away from|out of) {P}",
        rf"(?:^|, ?)(?:in )?(?:full )?colou?r {P}(?=$|[,.;])",
        rf",? ?\b(?:(?:and|but|with|on|against) )?(?:an? |the )?(?:real|normal|original|natural|un(?:changed"
        rf"|touched|edited)) {P}(?=$|[,.;])",
        rf"{_LEAD}\b(?:{_LEAVE}|let|have|with) (?:only )?{P} {_STAY}{_ASIS}",
        rf"{_LEAD}\b(?:{_LEAVE}|preserv(?:e|ing)|protect(?:ing)?|spar(?:e|ing)|exclude|skip(?:ping)?|ignor(?:e|ing))"
        rf"(?: out)? {P}(?: {LOOK})?(?=\W|$)(?! [a-z])",
        rf"{_LEAD}(?:\bonly )?{P} {_STAYS} {_ASIS}",
        rf"{_LEAD}(?:\bonly )?{P} (?!alone|out|normal|natural|real|with|clear|clean|dry|visible|sharp){_ASIS}",
        rf"{_LEAD}{P} (?:(?:must|should|may|can|shall|do|does|is|are)(?: not|n't)|not) (?:to )?(?:be )?{_TOUCH}\b",
        rf"(?:, | \band | \bbut |\bwith )(?:full |in )?colou?r (?:for|on) {P}|\bcolou?r only {PUT} {P}"
        rf"|\bonly {P} (?:stays |remains |is |are )?{_ASIS}",
    )
)
_REST = (
    rf"\b(?:the others?|(?:the )?rest|(?:everything|everywhere|everyone|everybody|all) else)\b(?: of (?:it"
    rf"|the {_PICTURE}))?"
)
_ELSE = re.compile(
    rf",? ?(?:\b(?:and|but|leave|keep|with) )*(?:{_REST} {_STAY}{_ASIS}|(?<=leave ){_REST}$"
    r"|\b(?:nothing|nowhere) (?:else|more)\b(?: (?:should |is to )?(?:be )?chang(?:ed?|es)\b)?)"
)
_ONLY = (
    re.compile(
        r"\b(?:only|just|solely|exclusively|nothing but|merely)"
        rf"(?P<rest> (?:{PUT}|(?:to )?(?:make|turn|change|edit|paint|affect)|the))? {P}"
    ),
    re.compile(rf"{P},? (?:only|alone|exclusively|solely)\b"),
)
_MEANT = (
    rf"{P} (?:in|of|from) (?:the|this|my|our) (?:{_PICTURE}|photo|footage)\b",
    rf"{P} (?:(?:on|to|at|in) (?:the )?(?:left|right|front|back|middle|distance|corner|top|bottom|far end)\b"
    r"|outside\b(?! of))(?: side)?",
    rf"\b(?:everything|all|everyone|what(?:ever)?|anything)(?: that)?(?: is)? (?:in|about) {P}",
    rf"{P},? (?:which|that|who)\b[a-z' ]*(?:§\d+§)?(?= (?:should|must|has to|have to|needs? to|could)\b)",
    rf"{P} in {LOOK}(?= (?:stays?|remains?|should|must|to)\b)",
    rf"{P} of (?:the|my|our|his|this) (?:room|house|city|town|village|hotel|bar|kitchen|park|garden|street)\b",
)
"""What only says which one is meant."""


class Named:
    """A text with its places as numbers: `line`; `spared` are names of what it keeps.

    `parts` are things that stand for the place around them, with that place, `plain` the places that are named
    themselves. `whole` is set where no place can be meant.
    """

    def __init__(self, text: str) -> None:
        self.places: list[Place] = []
        self.parts: dict[str, str] = {}
        self.plain: set[str] = set()
        self.spared: list[str] = []
        line = re.sub(r'["“”\[\]{}]', " ", text.lower().replace("’", "'").replace("re-colo", "recolo"))
        line = re.sub(r"([a-z])\1{2,}", r"\1", " ".join(line.split()))
        line = softened(line)
        line = _POLITE.sub("", re.sub(r"[a-z]{2,}", lambda word: mended(word[0]), line))
        for pattern, plain in _SAID_OTHERWISE:
            line = pattern.sub(plain, line)
        line = re.sub(rf"\b({HEAD})'s (?={LOOK}$)", r"\1 ", line)
        line = re.sub(rf"\b({HEAD})'s (?=(?:too|so|very|really|not|a (?:bit|little))\b)", r"\1 is ", line)
        for name in _NAMES:
            line = name.sub(lambda found: re.sub(r"[ -]", "\x01", found[0]), line)
        # These are of the whole picture, and so is what is beside them.
        self.whole = re.search(r"\b(?:shadows|highlights(?! in))\b", line) is not None
        line = _NAMING.sub(self._name, _GIVEN.sub("give ", line))
        if self.places:
            line = re.sub(rf"({P}.*?),? (?:instead of|rather than) {P}$", r"\1", line)
            line = _COMPARED.sub(self._uncompared, _NOT_THAT.sub("", line))
        self.line = self._bounded(self._grouped(line))

    def of(self, number: str) -> Place:
        """The place of a number."""
        return self.places[int(number)]

    def restored(self, line: str) -> str:
        """Words again where numbers are."""
        return re.sub(P, lambda found: self.restored(self.of(found[1]).words), line).replace("\x01", " ")

    def _add(self, place: Place) -> str:
        self.places.append(place)
        return f"§{len(self.places) - 1}§"

    def _name(self, found: re.Match[str]) -> str:
        who = found["who"]
        if who == "them" and self.places and _DOES.search(found.string[: found.start()]):
            return "it"
        kind = "the" if who or found["the"] else "a" if found["a"] else ""
        if who:
            name = "people" if who in {"them", "us", "everyone", "everybody"} else "person"
            return self._add(Place((name,), found[0], kind))
        said = found["the"] or found["a"] or found["bare"]
        if (plain := place_of(said)) is not None:
            self.plain.add(plain)
            return self._add(Place((plain,), found[0], kind, found["look"] or ""))
        self.parts[said] = around(said) or ""
        return self._add(Place((self.parts[said],), found[0], kind, found["look"] or "", part=said))

    def _uncompared(self, found: re.Match[str]) -> str:
        """A colour without what has it, which is no look: "yellow like the Simpsons"."""
        said = self.of(found["place"]).attributes if found["place"] else found["colour"]
        keeps = not said or any(word in LOOK_WORDS for word in found["tail"].split())
        return found[0] if keeps else found["head"]

    def _grouped(self, line: str) -> str:
        """Places that stand together as one, and those left out that only say which is meant."""
        line = re.sub(rf"{P} of {P}", self._within, line)
        for pattern in _MEANT:
            line = re.sub(pattern, r"§\1§", line)
        thing = "everything|all|what(?:ever)?|anything|the (?:area|space|part|scene|scenery|view|world|stuff|things)"
        behind = rf"\b(?:{thing})(?:'s| that)?(?:'s| is)? behind {P}"
        line = re.sub(behind, lambda _: self._add(Place(("background",), "background", "the")), line)
        joint = rf"(?:and|&|plus|as well as|or|nor)(?: also)?(?: {PUT})?(?: the)?(?: [a-z]+ of)?"
        line = re.sub(rf"(?:both )?{P}(?:, {P})*,? {joint} {P}", self._union, line)
        near = r"(?:in|on|at|above|behind|near|next to|beside|of|over|under|in front of|around)"
        line = re.sub(rf"{P} {near} {P}", self._first, line)
        line = re.sub(rf"(§) {near} {THE} {THING}(?![\w'])", r"\1", line)
        return re.sub(
            rf"(?<!§ )\bbehind {P}", lambda _: f"in {self._add(Place(('background',), 'background', 'the'))}", line
        )

    def _union(self, found: re.Match[str]) -> str:
        every = [self.of(number) for number in re.findall(P, found[0])]
        looks = {one.attributes for one in every}
        stays = found[0].count("§") == 4 and ", " in found[0] and re.match(rf" {_STAYS} ", found.string[found.end() :])
        if stays or len(looks - {""}) > 1 or (every[-1].attributes and not every[0].attributes):
            return found[0]
        names = tuple(dict.fromkeys(name for one in every for name in one.names))
        kind = "the" if any(one.kind == "the" for one in every) else every[0].kind
        return self._add(Place(names, " and ".join(one.words for one in every), kind, every[0].attributes))

    def _within(self, found: re.Match[str]) -> str:
        """The roofs of the houses are the houses."""
        place, other = self.of(found[1]), self.of(found[2])
        return f"§{found[2]}§" if place.part and place.names == other.names else found[0]

    def _first(self, found: re.Match[str]) -> str:
        """The sky above the mountains is the sky."""
        place, other = self.of(found[1]), self.of(found[2])
        thing = place.kind == "a" and place.names[0] in THING_PLACES
        if place.names == ("background",):
            return f"§{found[1]}§"
        if found.string[: found.start()].endswith("on ") and not other.part:
            return found[0]
        return f"§{found[1]}§" if other.kind == "the" and (place.kind == "the" or thing) else found[0]

    def _bounded(self, line: str) -> str:
        """The text without what it says to keep, and without "only"."""
        line = re.sub(
            rf"\b(?:nothing|none)(?: (?:should )?changes?)? (?:but|except|other than|besides) {P}", r"only §\1§", line
        )
        for pattern in _KEPT:
            line = pattern.sub(self._keep, line)
        line = re.sub(rf"({VERB} {P})[ ,]*, (?={LOOK}\b)", r"\1 ", line)
        shorter = _ELSE.sub("", line)
        if shorter != line:
            line = re.sub(P, lambda found: self._surely(found[1]), shorter)
        line = re.sub(rf"{_REST}(?: (?:goes|go|becomes|become|turns|is|:))?", "everything", line)
        for pattern in _ONLY:
            line = pattern.sub(
                lambda found: f"{found.groupdict().get('rest') or ''} {self._surely(found.groups()[-1])}", line
            )
        return line

    def _keep(self, found: re.Match[str]) -> str:
        place = self.of(next(number for number in re.findall(P, found[0])))
        stays = re.fullmatch(rf".*\b(?:leave|keep)\w* {P}", found[0])
        wanted = place.kind == "a" and not re.search(r"\b(?:except|excluding|apart|aside|besides|but|save)\b", found[0])
        wanted = wanted or (place.kind != "the" and found[0].startswith(" without §"))
        if wanted or (stays and not place.kind and place.names[0] in NOT_ADDED - ABSTRACT):
            return found[0]
        self.spared += place.names
        return found.groupdict().get("all") or ""

    def _surely(self, number: str) -> str:
        return self._add(replace(self.of(number), sure=True))
