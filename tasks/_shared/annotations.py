"""Task option that names the file of questions."""

from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import DataError


@dataclass(frozen=True, slots=True)
class AnnotationsOption:
    """Options of a task with one file of questions."""

    annotations: Path | None = None
    """File of questions to use; None for the file in the data folder. It is needed if the folder contains several
    revisions, or none."""

    def get_annotations_file(self, task: str) -> Path | None:
        """Return the file of the option `annotations`; None if the option is not set. Raises DataError if the file does
        not exist."""
        if self.annotations is not None and not self.annotations.is_file():
            raise DataError(f"task {task}: annotations={self.annotations} is not a file")
        return self.annotations
