"""Metrics of captions and other sentences."""

from dataclasses import replace

from alm_bench.scoring.metrics.spec import MetricSpec

_CAPTIONS = (
    MetricSpec(rank=40, name="cider", title="CIDEr", description="CIDEr-D (arXiv 1411.5726), times 10."),
    MetricSpec(rank=41, name="spice", title="SPICE", description="SPICE (arXiv 1607.08822).", needs=("java",)),
    MetricSpec(rank=42, name="spider", title="SPIDEr", description="Mean of CIDEr and SPICE (arXiv 1612.00370)."),
    MetricSpec(
        rank=43,
        name="meteor",
        title="METEOR",
        description="METEOR 1.5 (Denkowski and Lavie, 2014).",
        per_item=False,
        needs=("java",),
    ),
    MetricSpec(rank=44, name="rouge_l", title="ROUGE-L", description="ROUGE-L (Lin, 2004), beta 1.2."),
    *(
        MetricSpec(
            rank=44 + order,
            name=f"bleu_{order}",
            title=f"BLEU-{order}",
            description=f"BLEU-{order} (Papineni et al., 2002), not smoothed.",
            per_item=False,
        )
        for order in range(1, 5)
    ),
)

METRICS = (
    *_CAPTIONS,
    *(
        replace(spec, name=f"open_{spec.name}", title=f"open, {spec.title}", own_items=True, rank=spec.rank + 20)
        for spec in _CAPTIONS
    ),
)
