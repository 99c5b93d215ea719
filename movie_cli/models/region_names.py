"""The regions that a frame is divided into, and the places that people name: each a weighing of regions.

Knows nothing of networks and imports no torch, so that a place that is not known is refused at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from movie_cli.errors import UsageError
from movie_cli.kinds import Kind

SCENE = (
    *("sky", "tree", "grass", "water", "mountain_and_earth", "road_and_floor", "building", "wall_and_furniture"),
    *("person", "animal", "vehicle", "other"),
)
"""Classes that exclude one another: their probabilities add up to 1."""
PARTS = ("hair", "face_and_skin", "clothes")
"""Parts of a person: their probabilities add up to that of `person`."""
REGIONS = (*SCENE, *PARTS)
"""The network's output channels, in order."""
SUBJECT = ("person", "animal", "vehicle")

PLACES: Mapping[str, Mapping[str, float]] = {
    **{name: {name: 1.0} for name in REGIONS},
    "subject": dict.fromkeys(SUBJECT, 1.0),
    "background": {name: 1.0 for name in SCENE if name not in SUBJECT},
    "ground": dict.fromkeys(("grass", "mountain_and_earth", "road_and_floor"), 1.0),
    "plants": dict.fromkeys(("tree", "grass"), 1.0),
    "people": {"person": 1.0},
    "everything": dict.fromkeys(SCENE, 1.0),
}
"""What a place is made of: weights of regions. The subject is whoever or whatever moves by itself."""
_WORDS = {
    "sky": "cloud clouds skies heaven heavens | cloudscape",
    "tree": "forest woods woodland bush bushes hedge leaf leaves foliage branch branches flower maple oak pine palm"
    " | hedgerow shrub twig treetop roses tulip daisy daisies fir spruce birch willow orchard grove cactus cacti ivy"
    " sapling conifer evergreen bonsai treeline poplar cypress mangrove bamboo rosebush bouquet orchid",
    "grass": "lawn meadow field pasture turf | grassland prairie paddock",
    "water": "sea ocean lake river pond stream wave canal pool waterfall fountain | seawater brook lagoon fjord rapids"
    " surf",
    "mountain_and_earth": "mountain earth hill rock soil sand cliff dune peak | hillside mountainside mountaintop"
    " summit ridge boulder pebble gravel dirt canyon valley slope glacier",
    "road_and_floor": "road floor street pavement sidewalk path asphalt tarmac highway motorway driveway | flooring"
    " floorboard footpath pathway walkway alley lane roadway crosswalk runway cobble cobblestone stairs staircase",
    "building": "house tower church churches castle cathedral mansion temple palace skyscraper skyline facade barn"
    " hut cottage | school villa bungalow cabin shed chapel mosque monastery monasteries hotel pub hall factory"
    " factories warehouse lighthouse windmill farmhouse townhouse brickwork rooftop architecture shopfront"
    " storefront pagoda minaret steeple spire dome gazebo pavilion edifice courthouse firehouse outhouse greenhouse"
    " treehouse igloo wigwam tent",
    "wall_and_furniture": "wall furniture | wallpaper ceiling panelling wainscot",
    "person": "man men woman women girl boy guy lady ladies gentleman gentlemen child children kid baby babies body"
    " dancer actor singer player rider cyclist skier surfer bride groom driver runner human tourist passenger couple"
    " mother father mom mum dad sister brother grandma grandpa wife husband son daughter friend family performer"
    " athlete pedestrian boyfriend girlfriend granddaughter grandson grandad nephew colleague | bodies bloke dude"
    " chap fella lad teen teenager toddler infant youngster newborn adult ballerina actress vocalist musician"
    " drummer guitarist pianist violinist footballer goalkeeper golfer gymnast boxer swimmer diver snowboarder"
    " skater skateboarder biker jogger climber hiker walker commuter visitor shopper customer worker waiter waitress"
    " chef doctor nurse teacher student pupil soldier policeman officer cop fireman farmer fisherman fishermen"
    " cowboy speaker presenter interviewer interviewee reporter host guest bridesmaid newlyweds twin mama daddy"
    " mommy parent sibling granny gran granddad grandmother grandfather grandchild grandchildren fiance fiancee"
    " spouse niece uncle aunt auntie cousin buddy neighbour neighbor boss families fighter swordsman swordsmen"
    " samurai burglar thief thieves bystander passerby stranger heroine villain grandparent stepmother"
    " stepfather ancestor teammate opponent referee coach skydiver parachutist acrobat juggler magician comedian"
    " busker dj rapper bassist conductor photographer filmmaker scientist engineer mechanic builder plumber"
    " electrician gardener hairdresser barber butcher baker barista bartender cashier clerk lawyer priest monk nun"
    " sailor pilot astronaut cheerleader skater hipster lover schoolboy schoolgirl businessman businesswoman"
    " gentlewoman housewife granddad grandpas pensioner bodybuilder marathoner sprinter horseman horsewoman rower"
    " kayaker paddler hitchhiker camper fan protester demonstrator marcher soloist cellist flautist saxophonist"
    " trumpeter",
    "animal": "dog cat horse cow bird sheep duck swan bear pony ponies pet puppy puppies kitten goat pig elephant"
    " lion tiger wolf wolves fox foxes deer rabbit chicken pigeon seagull monkey squirrel dolphin donkey hamster fur"
    " | bull bulls calf calves ox oxen bison buffalo lamb piglet foal duckling goose geese hen rooster cockerel gull"
    " parrot budgie canary owl eagle hawk raven flamingo peacock penguin kitty pup doggo doggy pooch bunny bunnies"
    " hare hedgehog badger otter beaver lioness leopard cheetah panther panda koala kangaroo moose reindeer camel"
    " giraffe zebra hippo rhino ape gorilla chimp llama alpaca frog goldfish toad turtle tortoise snake lizard"
    " crocodile alligator fish fishes whale shark butterfly butterflies bee spider paw tail hound labrador poodle"
    " terrier beagle husky corgi hummingbird blackbird songbird robin sparrow crow stork heron pelican parakeet"
    " cockatoo ostrich vulture falcon woodpecker magpie lobster crab octopus jellyfish ladybird ladybug dragonfly"
    " dragonflies bumblebee insect caterpillar mouse mice critter creature wildlife livestock cattle herd flock"
    " chihuahua dachshund retriever spaniel bulldog pug greyhound collie rottweiler dalmatian tabby stallion mare"
    " colt mule boar hyena lynx jaguar cougar puma meerkat lemur sloth walrus seal sealion platypus crayfish"
    " goldfinch finch swallow",
    "vehicle": "car truck bus buses lorry lorries van boat ship train plane airplane aeroplane bike bicycle"
    " motorbike motorcycle tram taxi taxis jeep ferry ferries yacht helicopter scooter tractor automobile minivan"
    " sailboat | cab suv moped vespa minibus speedboat rowboat canoe kayak gondola vessel submarine airliner"
    " aircraft locomotive wagon carriage trailer caravan campervan motorhome ambulance limo limousine convertible"
    " sedan porsche ferrari bmw mercedes tesla audi toyota volkswagen beetle cadillac mustang lamborghini pickup"
    " hatchback roadster firetruck digger bulldozer excavator forklift barge dinghy catamaran hovercraft glider"
    " biplane spaceship streetcar trolleybus rickshaw tuktuk buggy wheelchair pram stroller pushchair",
    "hair": "hairs hairdo | haircut hairstyle ponytail pigtail fringe braid wig mane dreadlocks curls locks tresses"
    " afro mohawk mullet",
    "face_and_skin": "face skin complexion cheek",
    "clothes": "clothing dress dresses shirt tshirt t-shirt jacket coat suit outfit costume trousers pants jeans"
    " skirt sweater jumper hoodie blouse robe uniform garment gown cloak kimono | clothe attire apparel vest"
    " waistcoat blazer tuxedo cardigan pullover sweatshirt tracksuit jersey polo leggings shorts overalls dungarees"
    " pyjamas pajamas bathrobe swimsuit bikini loincloth leotard tutu tights pantsuit onesie romper kilt corset"
    " bodice turtleneck dungaree cape shawl nightgown nightie pinafore smock tabard jerkin armour sari saree poncho"
    " raincoat parka anorak tunic frock",
    "background": "backdrop bg | bkg surroundings scenery",
    "subject": "foreground fg | protagonist",
    "plants": "plant vegetation greenery | flora",
    "ground": "terrain",
    "people": "folk crowd ppl | peeps audience spectator band team choir orchestra",
}
WORDS: Mapping[str, str] = {word: place for place, words in _WORDS.items() for word in words.split() if word != "|"}
"""Other words for places, plurals that are not made with an `s` among them."""
COMMON = frozenset(word for words in _WORDS.values() for word in words.partition("|")[0].split())
"""The commonest of them, those before the bar: what slips of the keyboard are mended towards."""
_PARTS_OF = {
    "clothes": "hat shoe boot sneaker sock glove scarf tie necktie belt helmet backpack handbag bag sunglasses glasses"
    " apron veil necklace stocking",
    "face_and_skin": "eye lip mouth nose ear teeth chin forehead eyebrow beard moustache tattoo hand finger arm leg"
    " neck nail",
    "building": "window door roof chimney bridge fence gate balcony balconies",
    "wall_and_furniture": "sofa couch couches chair armchair table bed desk curtain shelf shelves cupboard cabinet"
    " wardrobe stool bench benches bookcase",
    "road_and_floor": "carpet rug",
    "vehicle": "wheel tyre skateboard snowboard sled",
    "other": "ball cup bottle flag balloon kite phone guitar umbrella",
}
PARTS_OF: Mapping[str, str] = {word: place for place, words in _PARTS_OF.items() for word in words.split()}
"""Things that lie within a place, and cannot be told from the rest of it."""

OWN_PLACES: Mapping[str, tuple[str, str]] = {
    "blonde": (
        "hair",
        r"blond(?:e|er|i?sh)?s?|(?:fair|golden|blonde?|light)-haired|flaxen|peroxide|goldilocks|rapunzel",
    ),
    "pale": ("face_and_skin", r"paler?|pallid|bloodless|vampir\w*|dracula|nosferatu|ghostly|deathly|death|ghosts?"),
}
"""Looks that have a place of their own, and the words that ask for them: "make her blonde" is about her hair."""


def place_of(word: str) -> str | None:
    """The place that a word or a place's name means, also in the plural; None for no place."""
    name = "_".join(word.lower().replace("-", "_").split())
    for one in (word, name, name.removesuffix("s")):
        if (found := WORDS.get(one, one)) in PLACES:
            return found
    return None


def around(thing: str) -> str | None:
    """The place that a thing lies within, which is no place itself; None for any other word."""
    return PARTS_OF.get(thing) or PARTS_OF.get(thing.removesuffix("s"))


def read_place(text: str) -> dict[str, float]:
    """The weights of regions that a place means: one name, or several with commas between them.

    Raises:
        UsageError: a name is not known.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        for region, weight in _one(part).items():
            weights[region] = max(weight, weights.get(region, 0.0))
    return weights


def _one(text: str) -> Mapping[str, float]:
    found = place_of(text.strip())
    if found is not None:
        return PLACES[found]
    near = difflib.get_close_matches(text.strip().lower().replace(" ", "_"), [*PLACES, *WORDS], n=1)
    known = f"there are {', '.join(PLACES)}"
    hint = f"did you mean {near[0]}? {known[0].upper()}{known[1:]}" if near else known
    raise UsageError(f"there is no place {text.strip()!r}" if text.strip() else "the place has no name", hint)


@dataclass(frozen=True)
class PlaceKind(Kind):
    """A place, or several with commas between them."""

    def check(self, value: Any) -> None:
        """Refuse what is no place, in whole sentences."""
        read_place(value)

    def parse(self, text: str) -> str:
        """Read and check."""
        self.check(text)
        return text
