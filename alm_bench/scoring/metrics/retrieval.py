"""Specifications of the metrics of audio-text retrieval, which are computed by their tasks."""

from alm_bench.scoring.metrics.spec import MetricSpec

DIRECTIONS = {"t2a": "text to audio", "a2t": "audio to text"}
"""Names of the two directions: captions as queries for clips, and clips as queries for captions."""

METRICS = tuple(
    spec
    for rank, (direction, title) in enumerate(DIRECTIONS.items(), 40)
    for spec in (
        *(
            MetricSpec(
                rank=rank,
                name=f"{direction}_recall_{k}",
                title=f"{title} R@{k}",
                description=f"Share of queries with a relevant item among the first {k}.",
                own_items=True,
            )
            for k in (1, 5, 10)
        ),
        MetricSpec(
            rank=rank,
            name=f"{direction}_map_10",
            title=f"{title} mAP@10",
            description="Mean average precision over the first 10 items.",
            own_items=True,
        ),
    )
)
