"""What is known beside places: what things may be, things without a place, names that only sound so."""

from __future__ import annotations


def listed(words: str) -> list[str]:
    """Words with spaces between."""
    return words.split()


ATTRIBUTES = (
    "black and white",
    "black & white",
    *listed(
        "b&w b/w bw monochrome grey gray black white red crimson scarlet orange yellow green turquoise teal cyan"
        " blue navy purple violet magenta pink brown beige blond blonde brunette ginger gold golden silver bronze"
        " copper chrome marble emerald ruby ivory olive mint lavender lilac maroon indigo amber ochre salmon peach"
        " coral mustard burgundy fuchsia azure cream bluish reddish pastel neon rainbow colourful colorful sepia"
        " vintage cartoon comic anime pixelated blurred blurry blur defocused unfocused sharp sharper soft softer"
        " dark darker bright brighter light pale warm warmer cool cooler saturated desaturated faded glowing"
        " dramatic night evening sunset dusk dawn wooden stone clay paper"
    ),
)
"""What may stand before a place, or after it, and says what it is to become."""
SHADES = listed(
    "jet pitch blood snow ice baby hot lime bottle royal midnight steel rose deep electric candy bubblegum cherry"
    " brick forest platinum strawberry ash honey navy fire lemon apple rusty raspberry ruby light dark pale bright"
    " very matte matt shiny glossy metallic plain solid pure"
)
"""What may stand before a colour's name."""
THINGS = {
    "clothes": "hat shoe boot sock glove scarf tie cap helmet necklace belt crown mask bag handbag backpack sunglasses"
    " glasses raincoat umbrella",
    "face and skin": "eye eyes lip lips mouth nose ear ears beard moustache tattoo teeth nails hand hands eyebrow",
    "building": "window door roof chimney bridge fence gate",
    "wall and furniture": "sofa couch chair table lamp bed desk curtain shelf carpet rug mirror television tv clock"
    " candle picture painting poster",
    "sky": "moon sun rainbow star",
    "vehicle": "wheel tyre plate skateboard snowboard sled",
    "animal": "dragon unicorn dinosaur butterfly spider fish",
    "person": "clown zombie ghost santa alien robot wizard werewolf pirate knight princess king queen mermaid crowd",
    "other": "ball cup bottle flag sign balloon kite phone book guitar cake food sword toy box ufo logo watermark text"
    " wire statue snowman fire explosion fireworks",
}
"""Things that are no place, by the one that comes nearest."""
NOT_ADDED = {"sky", "grass", "water", "mountain_and_earth", "background", "ground", "plants", "hair", "face_and_skin"}
"""Places that are no things, of which one could be put in."""
LOOKS_LIKE_THINGS = frozenset(
    listed(
        "painting picture poster toy ghost zombie clown moon sun star stars rainbow fire leaf leaves foliage"
        " branch branches flower flowers statue cloud clouds book box"
    )
)
"""What is asked for as a look."""
SCENES = frozenset(
    listed(
        "light lights lighting mood tone tones atmosphere weather day night season summer winter autumn spring"
        " world view place time shadows shadow highlights contrast edit result recording air film movie shot"
        " footage landscape town city park beach garden village room kitchen other photo sunlight daylight"
        " moonlight greens reds blues yellows whites blacks"
    )
)
"""What means the whole picture."""
NAMES = (
    r"water[ -]?colou?r\w*",
    r"under[ -]?(?:the )?(?:water|sea)",
    r"water lil(?:y|ies)",
    r"(?:water|drain) pipes?",
    r"(?<=[a-z] )(?<!the )(?<!make )(?<!turn )(?<!aint )(?<!my )(?<!our )(?<!his )(?:sky|sea|ocean) blue",
    r"(?<=[a-z] )(?<!the )(?<!make )(?<!turn )(?<!aint )(?<!my )(?<!our )(?:grass|sea|forest|leaf) green",
    r"(?:the|this|our|my) (?:street|road) outside",
    r"(?:autumn|fall(?:en|ing)?|dead|dry|maple|golden) leaves",
    r"(?<!the )(?:sea|field|carpet|house|planet|land|ocean|wall)s? of \w+",
    r"wheat[ -]?fields?",
    r"blue horses?",
    r"cats and dogs",
    r"(?:starry|star-?lit|full of stars|stars in the)(?: night)? (?:sky|skies)",
    r"stars? in the sky",
    r"(?:clear|cloudless|cloudy|overcast|blue|clear blue) (?:sky|skies)",
    r"red sky (?:at night|in the morning)",
    r"street(?:[ -](?:lamps?|lights?|art|lighting|photograph\w*|view))",
    r"(?:storm|thunder|rain) ?clouds?",
    r"sand (?:dunes?|storms?)",
    r"(?:ground|sea|river) (?:fog|mist)",
    r"(?:warm|cool|natural|nice|good) skin tones?",
    r"earth(?:en|y)? (?:tones?|colou?rs?)",
    r"silent hill|old man winter|green man|burning man|joshua tree|christmas trees?|iron man|rain ?forest",
    r"rock(?: and roll|'n'roll| band| album| concert| music)",
    r"stick (?:man|men|figures?)",
    r"film noir|blade runner",
    r"golden (?:hour|gate|retriever)",
    r"coats? of (?!the |my |our |her |his |their )[a-z]+|suits? of (?:armou?r|cards)|good night|billy the kid"
    r"|white sands|on earth|body (?:heat|temp\w*)",
    r"van (?:gogh|eyck|dyck|der)\w*",
    r"sea (?:levels?|bed|floor|side|shore|monsters?)",
    r"oil (?:leak|spill)",
)
"""Patterns of names and looks in which a place's word, or a look's, means nothing of the kind."""
KEYBOARD = {
    "teh": "the",
    "colr": "colour",
    "coulour": "colour",
    "chnage": "change",
    "chagne": "change",
    "hte": "the",
    "th": "the",
    "hre": "her",
    "ehr": "her",
    "hsi": "his",
    "thier": "their",
    "exept": "except",
    "exsept": "except",
    "excpet": "except",
    "expect": "except",
    "evrything": "everything",
    "everthing": "everything",
    "everyting": "everything",
    "eveything": "everything",
    "leaev": "leave",
    "laeve": "leave",
    "alnoe": "alone",
    "aloen": "alone",
    "onyl": "only",
    "olny": "only",
    "ony": "only",
    "skyy": "sky",
    "skey": "sky",
    "blu": "blue",
    "gren": "green",
    "yelow": "yellow",
    "purpl": "purple",
    "blury": "blurry",
    "tress": "trees",
    "ksy": "sky",
    "carr": "car",
    "dgo": "dog",
    "mkae": "make",
    "amke": "make",
    "maek": "make",
    "trun": "turn",
    "tunr": "turn",
    "blakc": "black",
    "bakground": "background",
    "buildigns": "buildings",
}
"""Slips of the keyboard in words that are too short, or no places."""
WORDS_THEMSELVES = frozenset(
    listed(
        "bans baron barons bars bases bats bays beads beams beans beard beards beats beers bids biker bikers"
        " binds bites blush boast boasts bolts boots bother bothers bouts bran branched bribe bribes bridge"
        " bridges brine brunch brush brushes burns busts castes cattle chance chances changed changer changes"
        " charge charges chats check checks cheeky cheer cheers chile chili chill chills clock clocks clothed"
        " cloths cloudy clout coast coasts colts costs coupe creek creeks crow crowe crowed crown crowns crows"
        " dance danced dances danes danger dangers decks deeds deems diver divers docks dressed dresser drier"
        " drive driven drives ducts dudes dukes excerpt excerpts faced facet facets facts fades fakes farce fares"
        " farther fates fatter feather feathers fiend filed fixes flood floods flour flowed flowery folds foliaged"
        " forks fried furry gills girly glass gloom goals grabs grams grasp grassy gross grown hails hairy halls"
        " haven heirs herge hilly horde hordes hose housed humane jacked jean jumped laces lads lanes larry laws"
        " lays leads leafy leaks leans leaps leave leaved likes male males money paine paints pals pane panes pant"
        " parts patch pats payer payers pears peas perks pies piles pins pints pipes place places plan planet"
        " planets plank planks plans plat plate plates played polls polo poppies poppy pound pounds prayer prayers"
        " psalm psalms rabbis racks raider raiders reads ride rides rocky rods roles ropes roses rover ryder sails"
        " sandy scans scream screams sends sheen sheer sheet sheets shift shifts shire shooter shooters shops"
        " short shorts sits sitter skied skips skis sleep sleeps slips souls spans spies spins spits spoil spoils"
        " stand stands steam steep streak streaks suffer suffers suite suites swann swaps sweep sweeps sweeter"
        " cold performed couldn shouldn wouldn growing sliver gary horne lease leaven makers maker manes mates"
        " pains pint plaint pleased point"
        " points print prints world wound mould"
        " taxes teams tees three timer toner towed towel towels track tracks trail trails trait traits tramp trans"
        " traps trays trick tricks tries truce trunk trunks tuck turks turns turps twain wafer wager wages waiter"
        " waiters waive waker wakes wales walks walter wares watery waved weave wells wills wines wipes wires"
        " wives woken wood woody words woven"
    )
)
"""English words that are one slip from a place's."""
