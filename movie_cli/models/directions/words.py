"""What is known beside places: what things may be, things without a place, names that only sound so."""

from __future__ import annotations


def listed(words: str) -> list[str]:
    """Words with spaces between."""
    return words.split()


COLOURS = listed(
    "red crimson scarlet orange yellow green turquoise teal cyan blue navy purple violet magenta pink brown beige"
    " blond blonde gold golden silver white black grey gray lavender lilac maroon indigo amber ochre salmon peach"
    " coral mustard burgundy fuchsia azure cream emerald ruby ivory olive mint chestnut auburn"
)
MATERIALS = listed("wood stone marble bronze chrome clay paper ice metal glass")
ATTRIBUTES = (
    "black and white",
    "black & white",
    *COLOURS,
    *listed(
        "b&w b/w bw monochrome brunette ginger bronze copper chrome marble bluish reddish pastel neon rainbow"
        " colourful colorful sepia vintage cartoon comic anime pixelated blurred blurry blur defocused unfocused"
        " sharp sharper soft softer dark darker bright brighter light pale warm warmer cool cooler saturated"
        " desaturated faded glowing dramatic night evening sunset sunrise dusk dawn wooden stone clay paper"
    ),
)
"""What may stand before a place, or after it, and says what it is to become."""
SHADES = listed(
    "jet pitch blood snow ice baby hot lime bottle royal midnight steel rose deep electric candy bubblegum cherry"
    " brick forest platinum strawberry ash honey navy fire lemon apple rusty raspberry ruby light dark pale bright"
    " chalk bone milk pearl very matte matt shiny glossy metallic plain solid pure cotton fire-engine racing british"
    " barbie dusty burnt acid neon pastel baby toxic chilli tomato wine chocolate engine canary sunshine tiffany"
    " ocean sea sky jungle army moss burnt"
)
"""What may stand before a colour's name."""
LOOK_WORDS = frozenset(
    listed(
        "drawing drawings drawn sketch sketched sketchy painting painted illustration illustrated doodle doodled"
        " pencil graphite charcoal ink inked pen watercolour watercolor watercolours watercolors aquarelle gouache"
        " oil oils canvas brushstrokes strokes crayon crayons chalk chalkboard blackboard cartoons cartoonish comics"
        " manga toon ghibli hero superhero characters pixel pixels pixelart 8-bit 8bit 16-bit retro game pop-art"
        " warhol lichtenstein stained-glass mosaic tiles embroidery embroidered stitched woodcut linocut engraving"
        " engraved etching etched line-art line lines lineart outline outlined outlines blueprint claymation"
        " plasticine puppet puppets papercut cutout cut-out origami ukiyo-e ukiyo japanese chinese print hokusai monet"
        " claude gogh van vincent munch scream klimt gustav seurat pointillist pointillism dots rembrandt kandinsky"
        " marc franz impressionist impressionism manuscript illuminated statue statues sculpture sculptures sculpted"
        " carved cast solid pure plated plate finish polished gilded gilt desaturate desaturated grayscale greyscale"
        " retro noir film cyberpunk infrared thermal heat vision camera vhs tape polaroid negative inverted invert"
        " posterised posterized duotone hdr cinematic vignette bokeh dreamy dream-like dreamlike ethereal blurs"
        " blurring out-of-focus unsharp sharpen sharpened crisp contrast saturation vivid vibrant muted punchy"
        " brighten darken lighten brightness exposure tone tones toned tint tinted hue shade shades coloured colored"
        " bleach bypass grade graded version job spray enhanced enhance glow metal metallic steel granite ice icy"
        " minecraft crystal lava molten ir infra photos photography 70s seventies photo negative"
    )
)
"""Words that say how things look, and describe no scene; colours and the like are in `ATTRIBUTES`."""
WEAK_WORDS = frozenset(
    listed(
        "drawn painted pen book strip characters retro game print dots cast solid pure plate finish film heat"
        " vision camera tape tone tones hue shade shades colored coloured grade version job spray glow photo photos"
        " photography pictures line lines van"
    )
)
"""Those of `LOOK_WORDS` that say no look alone."""
LOOK_PHRASES = r"\b(?:(?:pop|line|pixel) art|stained glass|neon (?:light|sign)s?|comic (?:book|strip)|film grain)\b"
"""What says how things look, of words that do not."""
SCENE_LOOKS = frozenset(listed("night evening sunset sunrise dusk dawn light warm cool dark glowing dramatic"))
"""Those of `ATTRIBUTES` that describe a scene, too."""
SCENE_WORDS = frozenset(
    listed(
        "winter wintry snow snowy autumn spring summer sunny sun overcast cloudy clear fog foggy mist misty haze"
        " hazy rain rainy raining wet storm stormy thunder night moonlight moonlit aurora sunset sunrise candle"
        " candles beach desert jungle underwater mars moon"
    )
)
"""Words of looks that may describe the whole picture wherever they stand."""
SAYING_NOTHING = frozenset(
    listed(
        "there how what why who that which might may i'm i'd i'll i've you'd we'd he'd she'd it'd he she it's he's"
        " she's they're been being has had having does did done doing see seeing seen getting got giving need needs"
        " needed wants wanted wish hope prefer love fancy dream dreaming imagine think thinking feel guess suppose"
        " really actually basically totally simply kindly maybe perhaps possible possibly chance any much very quite"
        " rather such way better best great good nice nicer lovely beautiful awesome amazing funny fun changed"
        " changing turned turning become becomes painted swapped swap try trying go going now then instead kind sort"
        " kinda sorta one also again here guys tho okay yes yeah hmm um uh oh ah wow omg myself yourself himself"
        " herself themselves full fully completely entirely over both each from if than"
    )
)
"""What is around a look and a place, and says nothing of either."""
THINGS = {
    "sky": "moon sun rainbow star",
    "wall and furniture": "mirror television tv clock candle picture painting poster",
    "animal": "dragon unicorn dinosaur",
    "person": "clown zombie ghost santa alien robot wizard werewolf pirate knight princess king queen mermaid",
    "clothes": "crown",
    "vehicle": "plate",
    "other": "sign cake food sword toy box book ufo logo watermark text wire statue snowman fire explosion fireworks",
}
"""Other things than those that lie within a place, by the one that comes nearest."""
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
    r"(?<=[a-z] )(?<!the )(?<!make )(?<!turn )(?<!aint )(?<!my )(?<!our )(?<!his )"
    r"(?<!r[ae]y )(?<!white )(?<!black )(?<!dull )(?<!dark )(?<!orange )(?<!pink )(?<!cloudy )(?<!whole )"
    r"(?:sky|sea|ocean) blue",
    r"(?<=[a-z] )(?<!the )(?<!make )(?<!turn )(?<!aint )(?<!my )(?<!our )(?:grass|sea|forest|leaf) green",
    r"(?:the|this|our|my) (?:street|road) outside",
    r"(?:autumn|fall(?:en|ing)?|dead|dry|maple|golden) leaves",
    r"(?<!the )(?:sea|field|carpet|house|planet|land|ocean|wall)s? of \w+",
    r"blue horses?",
    r"cats and dogs",
    r"(?:starry|star-?lit|full of stars|stars in the)(?: night)? (?:sky|skies)",
    r"stars? in the sky",
    r"(?:clear|cloudless|cloudy|overcast|blue|clear blue) (?:sky|skies)",
    r"red sky (?:at night|in the morning)",
    r"street(?:[ -](?:lamps?|lights?|art|lighting|photograph\w*|view))",
    r"(?:storm|thunder|rain) ?clouds?",
    r"(?:warm|cool|natural|nice|good) skin tones?",
    r"sand (?:dunes?|storms?)",
    r"(?:ground|sea|river) (?:fog|mist)",
    r"earth(?:en|y)? (?:tones?|colou?rs?)",
    r"silent hill|old man winter|green man|burning man|joshua tree|christmas trees?|iron man|rain ?forest",
    r"rock(?: and roll|'n'roll| band| album| concert| music)",
    r"great wave|\w+'s waves?|gold leaf|hair metal|skin (?:it|this)|animal crossing|film noir|blade runner",
    r"hand[ -]?(?:drawn|painted|made|sewn)|tie[ -]?dyed?|fish[ -]?eye|sky[ -]high",
    r"(?:leopard|zebra|tiger|snake)[ -]?(?:print|skin|stripes?|crossing)s?|glass windows?|yellow brick road",
    r"golden (?:hour|gate|retriever)",
    r"coats? of (?!the |my |our |her |his |their )[a-z]+|suits? of (?:armou?r|cards)|good night|billy the kid"
    r"|white sands|on earth|body (?:heat|temp\w*)",
    r"van (?:go(?!ld)|eyck|dyck|der)\w*",
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
        " bridges brine brunch brush brushes burns busts cast castes cattle chance chances changed changer changes"
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
