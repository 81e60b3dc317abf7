"""Event types of the demo data: their texts, and whether they can be counted and have an audible pitch or tempo."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

Domain = Literal["sound", "music", "speech"]

DOMAINS: tuple[Domain, ...] = ("sound", "music", "speech")


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of sound event, with the texts that describe it."""

    key: str
    """Identifier."""

    domain: Domain
    """Sound, music or speech."""

    family: str
    """Key of its family."""

    label: str
    """Name as an answer option ("dog barking")."""

    phrase: str
    """Noun phrase with its article ("a dog barking")."""

    clause: str
    """Clause in the present continuous ("a dog is barking")."""

    caption: str
    """Clause for captions, in the simple present ("a dog barks")."""

    word: str
    """One-word answer ("dog")."""

    source: str
    """Source of the sound ("a church bell")."""

    place: str
    """Typical place with its preposition ("at a kennel")."""

    units: str
    """Plural noun of its countable units ("barks"); empty if it has none."""

    rate: float
    """Units per second at tempo 1; 0 for a continuous sound."""

    pitched: bool
    """True if the sound has an audible pitch."""

    paced: bool
    """True if the sound has an audible tempo."""

    @property
    def is_countable(self) -> bool:
        return bool(self.units)

    @property
    def hypotheses(self) -> tuple[str, str, str]:
        """The three sentences that entailment uses as hypotheses about this event."""
        return (
            f"{self.clause[0].upper()}{self.clause[1:]}.",
            f"The sound of {self.phrase} can be heard.",
            f"The recording contains {self.source}.",
        )


@dataclass(frozen=True, slots=True)
class Family:
    """Family of two to four event types of one domain. Its `ambiguous` sound could be any of them; it is limited
    to the frequencies from `low` to `high` Hz."""

    key: str
    """Identifier."""

    domain: Domain
    """Sound, music or speech."""

    ambiguous: str
    """Noun phrase of the ambiguous sound."""

    low: float
    """Lower edge of the ambiguous sound's frequency band in Hz."""

    high: float
    """Upper edge of the ambiguous sound's frequency band in Hz."""

    @property
    def tag(self) -> str:
        """Tag of the family's ambiguous sound, such as `animal?`."""
        return f"{self.key}?"


FAMILIES: dict[str, Family] = {
    family.key: family
    for family in (
        Family("animal", "sound", "a muffled animal call", 350, 1600),
        Family("weather", "sound", "a faint noise of water or weather", 250, 1100),
        Family("alarm", "sound", "a far-off signal tone", 600, 1500),
        Family("impact", "sound", "a series of dull thuds", 60, 450),
        Family("machine", "sound", "a low mechanical hum", 40, 260),
        Family("sustained", "music", "a blurred held note", 300, 1000),
        Family("struck", "music", "a blurred struck note", 150, 800),
        Family("percussion", "music", "a blurred rhythm", 80, 700),
        Family("keyboard", "music", "blurred keyboard music", 180, 650),
        Family("talk", "speech", "unclear talking behind a wall", 120, 750),
        Family("vocal", "speech", "an unclear human cry", 250, 950),
    )
}

# key, family, label, article, clause, caption, word, source, place, units, rate, pitched, paced
_ROWS: tuple[tuple[str, str, str, str, str, str, str, str, str, str, float, bool, bool], ...] = (
    ("dog", "animal", "dog barking", "a ", "a dog is barking", "a dog barks",
     "dog", "a dog", "at a kennel", "barks", 2.0, True, True),
    ("bird", "animal", "bird chirping", "a ", "a bird is chirping", "a bird chirps",
     "bird", "a bird", "in a tree top", "chirps", 2.8, True, True),
    ("frog", "animal", "frog croaking", "a ", "a frog is croaking", "a frog croaks",
     "frog", "a frog", "at a pond", "croaks", 1.5, True, True),
    ("rain", "weather", "rain falling", "", "rain is falling", "rain falls",
     "rain", "rain", "outside in a downpour", "", 0.0, False, False),
    ("wind", "weather", "wind blowing", "", "wind is blowing", "wind blows",
     "wind", "wind", "on a bare hill top", "", 0.0, False, False),
    ("drip", "weather", "water dripping", "", "water is dripping", "water drips",
     "water", "a leaking tap", "at a kitchen sink", "water drops", 2.0, True, True),
    ("siren", "alarm", "siren wailing", "a ", "a siren is wailing", "a siren wails",
     "siren", "a fire engine", "in a street near a fire", "", 0.0, True, True),
    ("beep", "alarm", "alarm clock beeping", "an ", "an alarm clock is beeping", "an alarm clock beeps",
     "alarm", "an alarm clock", "in a bedroom at dawn", "beeps", 3.0, True, True),
    ("phone", "alarm", "telephone ringing", "a ", "a telephone is ringing", "a telephone rings",
     "telephone", "a telephone", "in an office", "telephone rings", 1.1, False, True),
    ("knock", "impact", "knocking on wood", "", "someone is knocking on wood", "someone knocks on wood",
     "knocking", "a fist on a wooden door", "at a front door", "knocks", 2.8, False, True),
    ("steps", "impact", "footsteps crunching", "", "footsteps are crunching", "footsteps crunch",
     "footsteps", "a person who walks", "on a gravel path", "footsteps", 1.9, False, True),
    ("hammer", "impact", "hammer striking metal", "a ", "a hammer is striking metal", "a hammer strikes metal",
     "hammer", "a hammer", "in a smithy", "hammer blows", 1.7, False, True),
    ("engine", "machine", "engine running", "an ", "an engine is running", "an engine runs",
     "engine", "a motor vehicle", "in a garage", "", 0.0, True, False),
    ("drill", "machine", "drill buzzing", "a ", "a drill is buzzing", "a drill buzzes",
     "drill", "a power drill", "at a building site", "", 0.0, True, False),
    ("helicopter", "machine", "helicopter hovering", "a ", "a helicopter is hovering", "a helicopter hovers",
     "helicopter", "a helicopter", "beside a landing pad", "", 0.0, False, True),
    ("violin", "sustained", "violin playing", "a ", "a violin is playing", "a violin plays",
     "violin", "a violin", "at a string quartet's concert", "violin notes", 1.7, True, True),
    ("flute", "sustained", "flute playing", "a ", "a flute is playing", "a flute plays",
     "flute", "a flute", "in a woodwind lesson", "flute notes", 1.7, True, True),
    ("trumpet", "sustained", "trumpet playing", "a ", "a trumpet is playing", "a trumpet plays",
     "trumpet", "a trumpet", "in a brass band", "trumpet notes", 2.2, True, True),
    ("guitar", "struck", "guitar strings plucked", "", "guitar strings are plucked", "guitar strings are plucked",
     "guitar", "a guitar", "by a camp fire", "guitar notes", 2.2, True, True),
    ("xylophone", "struck", "xylophone playing", "a ", "a xylophone is playing", "a xylophone plays",
     "xylophone", "a xylophone", "in a children's music class", "xylophone notes", 2.8, True, True),
    ("bell", "struck", "bell tolling", "a ", "a bell is tolling", "a bell tolls",
     "bell", "a church bell", "below a church tower", "bell tolls", 1.1, True, True),
    ("drums", "percussion", "drum kit playing", "a ", "a drum kit is playing", "a drum kit plays",
     "drums", "a drum kit", "at a rock concert", "", 2.6, False, True),
    ("maracas", "percussion", "maracas shaking", "", "maracas are shaking", "maracas shake",
     "maracas", "a pair of maracas", "at a salsa evening", "", 4.2, False, True),
    ("bongo", "percussion", "bongo drumming", "a ", "a bongo is drumming", "a bongo drums",
     "bongo", "a bongo drum", "in a hand drum circle", "bongo hits", 2.8, True, True),
    ("organ", "keyboard", "organ chords sounding", "", "organ chords are sounding", "organ chords sound",
     "organ", "an organ", "in a cathedral", "organ chords", 1.2, True, True),
    ("piano", "keyboard", "piano scale rising", "a ", "a piano scale is rising", "a piano scale rises",
     "piano", "a piano", "at a piano lesson", "", 4.0, True, True),
    ("man", "talk", "man speaking", "a ", "a man is speaking", "a man speaks",
     "man", "a man with a low voice", "at a talk by a man", "", 4.2, True, True),
    ("woman", "talk", "woman speaking", "a ", "a woman is speaking", "a woman speaks",
     "woman", "a woman with a clear voice", "at a talk by a woman", "", 4.2, True, True),
    ("whisper", "talk", "person whispering", "a ", "a person is whispering", "a person whispers",
     "whisper", "a person who whispers", "in a reading room", "", 3.8, False, True),
    ("counting", "talk", "person counting aloud", "a ", "a person is counting aloud", "a person counts aloud",
     "counting", "a person who counts", "at the start of a race", "counted words", 1.5, True, True),
    ("laugh", "vocal", "person laughing", "a ", "a person is laughing", "a person laughs",
     "laughter", "a person who laughs", "at a comedy show", "", 5.0, True, True),
    ("cry", "vocal", "baby crying", "a ", "a baby is crying", "a baby cries",
     "baby", "a baby", "in a nursery", "baby cries", 1.1, True, True),
    ("singer", "vocal", "person singing", "a ", "a person is singing", "a person sings",
     "singing", "a singer", "at a choir practice", "sung notes", 1.3, True, True),
)  # fmt: skip


def _build_event_types() -> dict[str, EventType]:
    types = {}
    for row in _ROWS:
        key, family, label, article = row[:4]
        rest = row[4:]
        domain = FAMILIES[family].domain
        types[key] = EventType(key, domain, family, label, article + label, *rest)
    return types


EVENT_TYPES: dict[str, EventType] = _build_event_types()

TAGS: tuple[str, ...] = (*EVENT_TYPES, *(family.tag for family in FAMILIES.values()))
"""Columns of the tag targets: all event types, then the ambiguous sound of each family (`animal?`)."""


@cache
def list_family_types(family: str) -> tuple[EventType, ...]:
    return tuple(kind for kind in EVENT_TYPES.values() if kind.family == family)


@cache
def list_domain_types(domain: str) -> tuple[EventType, ...]:
    return tuple(kind for kind in EVENT_TYPES.values() if kind.domain == domain)


def is_ambiguous(tag: str) -> bool:
    return tag.endswith("?")


def get_family(tag: str) -> str:
    """Return the key of the family of an event type or of an ambiguous sound."""
    return tag[:-1] if is_ambiguous(tag) else EVENT_TYPES[tag].family


def get_unit_rate(tag: str) -> float:
    """Return the number of units (barks, knocks, notes) per second at tempo 1; 0 for a continuous sound. The rate of an
    ambiguous sound is the lowest rate above 0 in its family."""
    if not is_ambiguous(tag):
        return EVENT_TYPES[tag].rate
    return min((kind.rate for kind in list_family_types(get_family(tag)) if kind.rate), default=0.0)


def describe_event(tag: str) -> str:
    """Return the clause for an event in a caption."""
    return f"{FAMILIES[get_family(tag)].ambiguous} is heard" if is_ambiguous(tag) else EVENT_TYPES[tag].caption
