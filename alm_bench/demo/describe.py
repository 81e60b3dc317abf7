"""Texts about scenes: captions, and differences between two clips in three levels of detail (tiers)."""

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from alm_bench.demo.scene import Scene, create_generator
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, describe_event, get_family, is_ambiguous

Tier = Literal["fewwords", "sentence", "detail"]

TIERS: dict[Tier, str] = {
    "fewwords": "explain the difference in few words",
    "sentence": "explain the difference in a sentence",
    "detail": "explain the difference in detail",
}
"""Instruction (`input`) in ReasonAQA's files, by tier."""

CAPTIONS = 5
"""Number of captions per clip."""

_OPENINGS = ("{}", "{}", "In this clip {}", "One hears how {}", "At the start {}")
_LINKS = (" and then ", ", followed by a moment in which ", ", after which ", ", then ", " before ")


def write_captions(scene: Scene, key: str, count: int = CAPTIONS) -> list[str]:
    """Return `count` different sentences that describe the events of a scene in their order. `key` (the clip's name)
    seeds the wording."""
    rng = create_generator("captions", key)
    links, openings = rng.sample(_LINKS, len(_LINKS)), rng.sample(_OPENINGS, len(_OPENINGS))
    return [_build_caption(scene, links[i % len(links)], openings[i % len(openings)], i) for i in range(count)]


def _build_caption(scene: Scene, link: str, opening: str, caption_index: int) -> str:
    """Return caption number `caption_index` of a scene.

    `link` joins the first event and the others; `opening` is the template of the sentence.
    """
    clauses = [describe_event(event.type) for event in sorted(scene.events, key=lambda event: event.onset)]
    merged = [part for i, part in enumerate(clauses) if not i or part != clauses[i - 1]]
    if caption_index == 4 and len(merged) > 1:
        text = opening.format(", ".join(merged[:-1]) + " and " + merged[-1])
    elif len(merged) == 1:
        text = opening.format(
            merged[0] + ("", " for a while", " alone", " and nothing else happens", " once more")[caption_index]
        )
    else:
        text = opening.format(merged[0] + link + " and then ".join(merged[1:]))
    return text[0].upper() + text[1:] + "."


def _list_names(scene: Scene) -> list[str]:
    """Return the names of a scene's event types, in order of appearance."""
    ordered = sorted(scene.events, key=lambda event: event.onset)
    return list(dict.fromkeys(_get_type_name(event.type) for event in ordered))


def _get_type_name(tag: str) -> str:
    return describe_event(tag).removesuffix(" is heard") if is_ambiguous(tag) else EVENT_TYPES[tag].label


def _join_list(parts: Sequence[str]) -> str:
    """Join texts to a list such as `a, b and c`."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _describe_sequence(scene: Scene) -> str:
    """Return a text about a scene: its first and last event, the overlap of events, and the background noise."""
    ordered = sorted(scene.events, key=lambda event: event.onset)
    names = _list_names(scene)
    course = f"It opens with {names[0]}" + (
        f" and ends with {_get_type_name(ordered[-1].type)}" if len(names) > 1 else ""
    )
    overlap = any(a.end > b.onset + 0.15 for a, b in pairwise(ordered))
    texture = "the sounds overlap" if overlap else "the sounds keep apart" if len(ordered) > 1 else "it stands alone"
    floor = "over an audible hiss" if scene.noise > -52 else "over near silence"
    return f"{course}; {texture} {floor}"


def _describe_domains(scene: Scene) -> str:
    """Return the domains of a scene's events in words, such as `everyday sounds and music`."""
    domains = {"sound": "everyday sounds", "music": "music", "speech": "human voices"}
    heard = {FAMILIES[get_family(event.type)].domain for event in scene.events}
    return _join_list([text for domain, text in domains.items() if domain in heard])


def describe_difference(first: Scene, second: Scene, tier: Tier) -> str:
    """Return a description of the difference between two clips in the detail of `tier`."""
    a, b = _join_list(_list_names(first)), _join_list(_list_names(second))
    if tier == "fewwords":
        return f"Audio 1 has {a}, while Audio 2 has {b}."
    if tier == "sentence":
        return (
            f"The first audio holds {_describe_domains(first)}, namely {a}, "
            f"whereas the second audio holds {_describe_domains(second)}, namely {b}."
        )
    shared = [name for name in _list_names(first) if name in _list_names(second)]
    common = f"Both contain {_join_list(shared)}" if shared else "They have no sound in common"
    return (
        f"The first audio holds {_describe_domains(first)}: {a}. {_describe_sequence(first)}. "
        f"The second audio holds {_describe_domains(second)}: {b}. {_describe_sequence(second)}. {common}."
    )


def draw_pairs(rng: random.Random, names: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Draw `count` pairs of different clips from `names`. Every clip is the first, and the second, of about the same
    number of pairs."""
    drawn: list[tuple[str, str]] = []
    while len(drawn) < count:
        order = rng.sample(list(names), len(names))
        drawn += zip(order, [*order[1:], order[0]], strict=True)
    return drawn[:count]
