"""Settings of the objective `parts`: the table `[stage.parts]` of a recipe."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartsConfig:
    """Format of the answers, and the schedule by which the chain before the answer is shortened."""

    format: str = "xs-cot"
    """Format of the answers (`parsing.parts`): the name of a bundled format, or `FILE.toml:NAME`."""

    groups: int = 2
    """Number of word groups that stay of a shortened sentence, before an ellipsis."""

    start: int = 0
    """Step up to which no sentence is shortened."""

    end: int = 0
    """Step from which on all sentences of the chain are shortened. Between the two, their number grows linearly. 0: the
    chain stays in full."""

    def compute_shortened_share(self, step: int) -> float:
        """Return the share of the chain's sentences that are shortened at a step, 0..1."""
        if self.end == 0 or step < self.start:
            return 0.0
        return 1.0 if step >= self.end else (step - self.start) / (self.end - self.start)
