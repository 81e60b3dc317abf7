"""Yes/no questions and questions for one word, with the answers of three annotators, who do not always agree.

Clips are generated in pairs. Each yes/no question applies to both clips of a pair; its correct answer is yes for one of
them and no for the other.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from alm_bench.demo.scene import Scene, build_scene_in_order, create_generator, hash_name
from alm_bench.demo.vocabulary import EVENT_TYPES

_DISSENT_RATE = 0.12  # share of questions to which one annotator gives the other answer
HEARD = ("Can {0.phrase} be heard?", "Does the recording contain {0.source}?", "Is there a sound of {0.label}?")


def _build_clip_pair(rng: random.Random) -> tuple[tuple[Scene, Scene], list[tuple[str, bool]]]:
    """Build two scenes and two yes/no questions about them. A question comes with True if its answer is yes for the
    first scene and no for the second, with False if it is the reverse."""
    keys = rng.sample(list(EVENT_TYPES), 3)
    a, b = (EVENT_TYPES[key] for key in keys[:2])
    noise = -rng.uniform(50.0, 64.0)
    if rng.random() < 0.6:
        tags = [[key, keys[2]] for key in keys[:2]]
        for order in tags:
            rng.shuffle(order)
        yes_no_questions = [(rng.choice(HEARD).format(a), True), (rng.choice(HEARD).format(b), False)]
    else:
        tags = [[a.key, b.key], [b.key, a.key]]
        yes_no_questions = [
            (f"Is {a.phrase} heard before {b.phrase}?", True),
            (f"Does the recording end with {a.phrase}?", False),
        ]
    return (
        build_scene_in_order(rng, tags[0], noise=noise),
        build_scene_in_order(rng, tags[1], noise=noise),
    ), yes_no_questions


def _get_event_word(scene: Scene, last: bool) -> str:
    """Return the one-word name of a scene's first or last event."""
    ordered = sorted(scene.events, key=lambda event: event.onset)
    return EVENT_TYPES[ordered[-1 if last else 0].type].word


@dataclass(frozen=True, slots=True)
class AnnotatedQuestion:
    """A question about a clip, with the answers of three annotators."""

    clip: str
    """File name of the clip."""

    scene: Scene
    """Scene of the clip."""

    question: str
    """Text of the question."""

    answers: tuple[str, ...]
    """Answers of the three annotators. At most one of them differs from the others."""

    dissenter: int | None
    """Index of the annotator whose answer differs; None if all agree."""

    @property
    def majority(self) -> str:
        """Answer of most annotators, which is the correct one."""
        return max(self.answers, key=self.answers.count)


def iterate_annotated_questions(split: str, clips: int, *, seed: int = 0) -> Iterator[AnnotatedQuestion]:
    """Yield three questions per clip: two for yes or no, one for a word. An odd number of `clips` is rounded up."""
    for number in range((clips + 1) // 2):
        key = ("aqa", split, seed, number)
        rng = create_generator(*key)
        scenes, yes_no_questions = _build_clip_pair(rng)
        dissents = [rng.randrange(3) if rng.random() < _DISSENT_RATE else None for _ in range(3)]
        last = rng.random() < 0.5
        for i, scene in enumerate(scenes):
            clip = f"Clip {hash_name(*key, i)[:10]}.wav"
            for (question, true_of_first), dissenter in zip(yes_no_questions, dissents, strict=False):
                yes = true_of_first == (i == 0)
                yield _simulate_annotators(clip, scene, question, ("yes", "no") if yes else ("no", "yes"), dissenter)
            question = f"What makes the {'last' if last else 'first'} sound?"
            yield _simulate_annotators(
                clip, scene, question, (_get_event_word(scene, last), _get_event_word(scene, not last)), dissents[2]
            )


def _simulate_annotators(
    clip: str, scene: Scene, question: str, answers: tuple[str, str], dissenter: int | None
) -> AnnotatedQuestion:
    """Build a question with three answers.

    `answers` are the correct answer and a different one. The annotator with the index `dissenter` (None: nobody) gives
    the different one.
    """
    given = tuple(answers[annotator == dissenter] for annotator in range(3))
    return AnnotatedQuestion(clip, scene, question, given, dissenter)
