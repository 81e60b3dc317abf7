"""Pictures as files: SVG, and PNG of the same drawing."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from alm_bench.core.files import write_atomically
from alm_bench.reports.plots.charts import Chart
from alm_bench.reports.plots.svg import draw_svg

PictureFormat = Literal["svg", "png"]
FORMATS: tuple[PictureFormat, ...] = get_args(PictureFormat)

_ZOOM = 2.0  # pixels per unit of the drawing


def render_png(svg: str) -> bytes:
    """Return a standalone SVG as a PNG file, drawn with the font that matplotlib brings along."""
    import matplotlib
    import resvg_py

    font = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    bold = font.with_name("DejaVuSans-Bold.ttf")
    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=_ZOOM,
        font_files=[str(font), str(bold)],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )
    return bytes(png)


def write_pictures(charts: Sequence[Chart], folder: Path, formats: Sequence[PictureFormat]) -> list[Path]:
    """Write each chart in each format to a folder; return the paths. Raises StoreError."""
    written: list[Path] = []
    names: Counter[str] = Counter()
    for chart in charts:
        names[chart.name] += 1
        name = chart.name if names[chart.name] == 1 else f"{chart.name}-{names[chart.name]}"
        svg = draw_svg(chart, standalone=True)
        for form in formats:
            path = folder / f"{name}.{form}"
            write_atomically(path, svg if form == "svg" else render_png(svg), "--to")
            written.append(path)
    return written
