"""Settings of the objective `parts`: the table `[stage.parts]` of a recipe."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartsConfig:
    """Format of the answers, and the schedule by which the chain before the answer is shortened."""

    format: str = "xs-cot"
    """Format of the answers (`parsing.parts`): the name of a bundled format, or `FILE.toml:NAME`."""

    groups: int = 2
    """Number of word groups that remain of a shortened sentence. An ellipsis follows them."""

    start: int = 0
    """Step up to which no sentence is shortened."""

    end: int = 0
    """Step from which on all sentences of the chain are shortened. Between `start` and `end`, the number of shortened
    sentences grows linearly. 0: no sentence is ever shortened."""

    def compute_shortened_share(self, step: int) -> float:
        """Return the share, 0 to 1, of the sentences of the chain (the parts before the answer) that are written in
        their short form at training step `step`."""
        if self.end == 0 or step < self.start:
            return 0.0
        return 1.0 if step >= self.end else (step - self.start) / (self.end - self.start)
