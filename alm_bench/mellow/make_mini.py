"""Make what `mini/` ships for the small network: its configuration and its tokenizer.

    python -m alm_bench.mellow.make_mini

The tokenizer is a byte-level BPE: any text goes through it and back. Its merges are learned from English phrases about
sounds in the shapes of the questions and answers of the field. The outcome does not depend on the machine.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from alm_bench.core.files import atomic_write
from alm_bench.mellow.checkpoint import CONFIG, MINI, TOKENIZER
from alm_bench.mellow.config import EncoderConfig, LanguageModelConfig, MapperConfig, MellowConfig, PromptConfig

VOCABULARY = 1536
END = "<|endoftext|>"

# Sound sources with what they do.
EVENTS = """
dog barks, dog growls, dog whimpers, puppy yelps, wolf howls, cat meows, cat purrs, kitten cries, cow moos, horse
neighs, horse gallops, sheep bleats, goat bleats, pig oinks, rooster crows, chicken clucks, hen cackles, turkey
gobbles, duck quacks, goose honks, bird chirps, bird sings, birds tweet, pigeon coos, owl hoots, crow caws, seagull
squawks, parrot talks, cricket chirps, crickets buzz, bee hums, mosquito whines, fly buzzes, frog croaks, snake
hisses, lion roars, elephant trumpets, monkey screeches, whale moans, mouse squeaks, rat scurries, insects drone, man
speaks, woman speaks, child speaks, boy yells, girl laughs, baby cries, baby babbles, infant coos, people talk, crowd
cheers, crowd applauds, audience claps, group chants, choir sings, man sings, woman sings, child giggles, someone
whispers, someone shouts, someone screams, someone coughs, someone sneezes, someone snores, someone breathes, someone
burps, someone hiccups, someone whistles, someone gargles, someone chews, someone eats, someone walks, someone runs,
footsteps approach, footsteps fade, fingers snap, hands rub, heart beats, person types, person sighs, rain falls, rain
patters, thunder rumbles, thunder claps, lightning cracks, wind blows, wind gusts, wind howls, water flows, water
drips, water splashes, water pours, water gurgles, stream trickles, river rushes, waves crash, ocean surf rolls,
waterfall roars, fire crackles, leaves rustle, branches snap, gravel crunches, snow crunches, mud squelches, ice
cracks, stones fall, storm rages, hail clatters, steam hisses, bubbles pop, liquid boils, car passes, car starts, car
brakes, tires screech, truck idles, truck reverses, bus stops, motorcycle revs, engine starts, engine idles, engine
accelerates, engine sputters, horn honks, siren wails, ambulance passes, police car approaches, fire engine responds,
train arrives, train departs, train whistle blows, subway rattles, railroad crossing rings, airplane takes off,
aircraft flies overhead, jet roars, helicopter hovers, propeller spins, boat motors along, ship horn sounds, bicycle
bell rings, skateboard rolls, traffic hums, race cars speed by, door opens, door closes, door slams, door creaks, door
knocks, doorbell rings, drawer slides, cupboard shuts, key turns, lock clicks, window breaks, glass shatters, dishes
clatter, plates clink, cutlery scrapes, pan sizzles, food fries, kettle boils, microwave beeps, blender whirs, toilet
flushes, sink drains, faucet runs, shower sprays, vacuum cleaner hums, washing machine rumbles, dryer tumbles, fan
spins, air conditioner blows, refrigerator hums, clock ticks, alarm clock beeps, smoke detector beeps, telephone
rings, phone vibrates, keyboard clicks, mouse clicks, printer prints, camera shutter clicks, cash register opens,
coins jingle, paper tears, paper crumples, pages turn, pen scribbles, scissors cut, zipper zips, velcro rips, bag
rustles, bottle opens, can opens, cork pops, ball bounces, hammer pounds, saw cuts, chainsaw buzzes, drill whirs,
sander grinds, lawn mower runs, jackhammer pounds, sewing machine stitches, wood splinters, metal clangs, chain
rattles, machine whirs, generator runs, pump throbs, gun fires, gunshots echo, explosion booms, fireworks burst,
firecracker pops, bell tolls, church bells ring, chimes tinkle, buzzer sounds, alarm sounds, whistle blows, static
crackles, radio plays, television murmurs, tone sweeps, noise hisses, guitar strums, bass plucks, piano plays, violin
plays, cello bows, flute trills, clarinet plays, saxophone wails, trumpet blares, trombone slides, harmonica plays,
accordion wheezes, organ swells, harp glides, drum beats, snare rolls, cymbal crashes, tambourine shakes, synthesizer
pulses, electronic beat drops, orchestra plays, band plays, music plays
"""
OPTIONS = """
dog barking, cat meowing, bird chirping, cow mooing, rooster crowing, owl hooting, bee buzzing, frog croaking, wolf
howling, man speaking, woman talking, child laughing, baby crying, people cheering, crowd clapping, someone
whispering, shouting, screaming, coughing, sneezing, snoring, breathing, singing, whistling, walking, running,
footsteps, knocking, typing, rain falling, thunder rumbling, wind blowing, water flowing, water dripping, waves
crashing, fire crackling, leaves rustling, car passing, engine idling, horn honking, siren wailing, train approaching,
airplane flying, bell ringing, door closing, door opening, door slamming, glass breaking, dishes clattering, clock
ticking, alarm beeping, phone ringing, hammering, sawing, drilling, shooting, exploding, music playing, drum beating,
guitar strumming, piano playing, humming, increasing, decreasing, rising, falling, starting, ending, changing,
repeating, alternating, fading, growing, following
"""
ADVERBS = """
loudly, softly, quietly, repeatedly, continuously, briefly, slowly, quickly, rhythmically, suddenly, steadily,
faintly, clearly, nearby, in the distance, in the background, in the foreground, once, twice, three times, several
times, over and over, for a short while, with an echo, at a high pitch, at a low pitch, intermittently, gently,
sharply
"""
PLACES = """
in a park, on a busy street, in a kitchen, in a bathroom, in an office, in a forest, on a farm, at a beach, in a city,
in a large hall, in a small room, in a stadium, in a classroom, at a railway station, at an airport, in a workshop, in
a garage, in a church, in a restaurant, in a shop, in a car, in a tunnel, outdoors, indoors, outside a house, near a
river, by the sea, at night, in the morning, on a playground, in a concert hall, at home
"""
QUALITIES = """
loud, soft, quiet, low, high, deep, bright, dull, sharp, harsh, smooth, rough, rhythmic, steady, fast, slow, short,
long, sudden, gradual, distant, close, natural, mechanical, electronic, human, animal, musical, metallic, wooden,
hollow, rich, calm, tense, cheerful, sad, energetic, relaxed, dramatic, mysterious, joyful, angry, happy, fearful,
neutral, peaceful
"""
MUSIC = """
tempo, melody, harmony, rhythm, chord, key, major, minor, genre, jazz, rock, pop, classical, folk, hip hop, country,
blues, reggae, metal, ambient, electronic dance music, instrument, vocal, lead, verse, chorus, bridge, mood, beat,
bar, measure, dynamics, crescendo, timbre, pitch, tone, frequency, amplitude, volume, loudness, spectrum, bandwidth,
duration, texture
"""
SPEECH = """
speaker, male, female, conversation, dialogue, monologue, interview, lecture, announcement, accent, emotion, language,
word, phrase, sentence, stress, phoneme, syllable, first, second, third, fourth, last, next, before, after, during,
both
"""
QUESTIONS = (
    "what is the primary sound event present in the clip? a) {0} b) {1} c) {2} d) {3}",
    "which sound is heard {4}? a) {0} b) {1} c) {2}",
    "which of these sounds occurs first? a) {1} b) {0}",
    "how many times can the {5} sound be heard? a) one b) two c) three d) four e) five or more",
    'based on the audio, what can be said about the hypothesis - "{0} {4}"? a) it is definitely true b) it is '
    "definitely false c) it is plausible d) i cannot determine",
    "is there a {5} sound in the recording? answer yes or no.",
    "what could be the reason for the {5} sound? where was the audio most likely recorded? why?",
    "explain the difference between the two audios in few words.",
    "explain the difference between the two audios in one extended sentence.",
    "explain the difference between the two audios in detail.",
    "caption the audio. caption first audio. caption second audio. caption both audios.",
)
ANSWERS = (
    "the audio 1 is {0} {4} {6}.",
    "the first audio has a {5} sound as {0}, whereas the second audio has {1} {6}, which is more {7} than the first.",
    "{0} while {1} {4}, followed by {2}. then {3} and there is silence at the end.",
    "A {7} {5} sound: the {0}, and The {1}. What does the listener hear when it starts? It's {7}, isn't it?",
    "a) {0}",
    "b) {1}",
    "c) it is plausible",
    "yes",
    "no",
    "the acoustic characteristics, such as {8} and {9}, suggest that this was recorded {6} rather than {4}.",
)


def _list(block: str) -> list[str]:
    return [item.strip() for item in block.replace("\n", " ").split(",") if item.strip()]


def phrases() -> Iterator[str]:
    """Some 4,000 lines in which every word of the lists above occurs."""
    events, options, adverbs, places, qualities = map(_list, (EVENTS, OPTIONS, ADVERBS, PLACES, QUALITIES))
    terms = _list(MUSIC) + _list(SPEECH)
    shapes = QUESTIONS + ANSWERS
    rounds = 200 * len(shapes)
    # Strides prime to the lists' lengths walk through all of their items, in ever other company.
    for number, shape in zip(range(rounds), itertools.cycle(shapes), strict=False):
        heard = [events[(number * stride + 31 * stride) % len(events)] for stride in (1, 7, 13, 29)]
        yield shape.format(
            *heard,
            adverbs[number % len(adverbs)],
            qualities[number * 5 % len(qualities)],
            places[number * 3 % len(places)],
            qualities[number * 7 % len(qualities)],
            terms[number % len(terms)],
            terms[number * 11 % len(terms)],
        )
    yield from (f"which of these is heard? {option}" for option in 6 * options)
    yield from events + adverbs + places + qualities + terms


def make_tokenizer() -> Tokenizer:
    """`<|endoftext|>` is token 0, digits stand alone and merges stay within words, as in SmolLM2's tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(phrases(), trainer)
    return tokenizer


def mini_config(tokenizer: Tokenizer) -> MellowConfig:
    vocabulary = tokenizer.get_vocab()
    return MellowConfig(
        encoder=EncoderConfig(embed=32, depths=(2, 2, 2, 2), heads=(2, 4, 8, 16), classes=64),
        mapper=MapperConfig(dropout=0.1),
        lm=LanguageModelConfig(
            vocabulary=len(vocabulary),
            width=192,
            layers=4,
            heads=6,
            kv_heads=3,
            mlp=512,
            positions=2048,
            rope_theta=10_000.0,
        ),
        prompt=PromptConfig(pad=vocabulary["!"], separator=0, stop=vocabulary[END]),
    )


def main(folder: Path = MINI) -> None:
    tokenizer = make_tokenizer()
    atomic_write(folder / TOKENIZER, tokenizer.to_str() + "\n")
    atomic_write(folder / CONFIG, mini_config(tokenizer).to_json())


if __name__ == "__main__":
    main()
