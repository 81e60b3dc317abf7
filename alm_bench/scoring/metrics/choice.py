"""Specifications of the metrics of multiple choice, yes/no questions and labels, which are computed by their tasks."""

from alm_bench.scoring.metrics.spec import MetricSpec


def _build_spec(rank: int, name: str, title: str, description: str, *, own_items: bool = False) -> MetricSpec:
    """Return a specification with the default scale, percent.

    `own_items` is True if the metric is computed over other items than the rest of its table row.
    """
    return MetricSpec(rank=rank, name=name, title=title, description=description, own_items=own_items)


METRICS = (
    MetricSpec(
        rank=0,
        name="answered",
        title="answered",
        description="Share of items with an answer that could be parsed.",
        shows_interval=False,
    ),
    _build_spec(1, "accuracy", "accuracy", "Share of items answered correctly; an item without an answer is wrong."),
    MetricSpec(
        rank=2,
        name="accuracy_imputed",
        title="chance-imputed",
        description="Accuracy where an item without an answer counts 1 / options.",
        imputes=True,
    ),
    _build_spec(
        3,
        "accuracy_not_text_solvable",
        "not solvable from text",
        "Accuracy on the items that a text-only run gets wrong.",
        own_items=True,
    ),
    MetricSpec(
        rank=4,
        name="official_accuracy",
        title="official",
        description="Accuracy by the benchmark's own scorer, to the decimals that it prints.",
        decimals=2,
        in_overview=True,
    ),
    _build_spec(
        5,
        "circular_accuracy",
        "circular",
        "Share of questions right in every option order (CircularEval).",
        own_items=True,
    ),
    _build_spec(
        6, "consistency", "consistency", "Share of pairs of option orders with the same answer.", own_items=True
    ),
    _build_spec(7, "option_precision", "option P", "Precision over single options."),
    _build_spec(8, "option_recall", "option R", "Recall over single options."),
    _build_spec(9, "option_f1", "option F1", "F1 over single options."),
    _build_spec(10, "text_ll", "text LL", "Accuracy by the summed log-likelihood of the option's text."),
    _build_spec(
        11, "text_ll_per_token", "text LL/token", "Accuracy by the log-likelihood of the option's text per token."
    ),
    _build_spec(12, "letter_ll", "letter LL", "Accuracy by the summed log-likelihood of the option's letter."),
    _build_spec(
        13, "letter_ll_per_token", "letter LL/token", "Accuracy by the log-likelihood of the option's letter per token."
    ),
    _build_spec(
        14,
        "reasoning_given_perception",
        "reasoning if perceived",
        "Accuracy on multi-hop questions over the clips whose single-hop question is right (SAKURA, arXiv 2505.13237).",
        own_items=True,
    ),
    _build_spec(
        15,
        "right_in_another_order",
        "right in another order",
        "Accuracy in one option order, given a right answer in another order.",
        own_items=True,
    ),
    _build_spec(
        16,
        "pi_weighted_accuracy",
        "PI-weighted",
        "Accuracy weighted by the perceptual index of each question (arXiv 2504.00369).",
    ),
    _build_spec(20, "precision", "P", "Macro-averaged precision."),
    _build_spec(21, "recall", "R", "Macro-averaged recall."),
    _build_spec(22, "f1", "F1", "Macro-averaged F1."),
    _build_spec(23, "eacc", "EACC", "Accuracy on entailed hypotheses (arXiv 2407.18062)."),
    _build_spec(24, "nacc", "NACC", "Accuracy on neutral hypotheses (arXiv 2407.18062)."),
    _build_spec(25, "cacc", "CACC", "Accuracy on contradicted hypotheses (arXiv 2407.18062)."),
    _build_spec(30, "binary_accuracy", "yes/no, all", "Accuracy over all annotators' yes/no rows.", own_items=True),
    _build_spec(31, "majority_accuracy", "yes/no, majority", "Accuracy against the majority's answer.", own_items=True),
    _build_spec(32, "unanimous_accuracy", "yes/no, unanimous", "Accuracy where all annotators agree.", own_items=True),
    _build_spec(33, "open_accuracy", "open, exact", "Share of open answers that equal a reference.", own_items=True),
    _build_spec(35, "official_f1", "official F1", "F1 by the benchmark's own scorer, averaged over items."),
)
