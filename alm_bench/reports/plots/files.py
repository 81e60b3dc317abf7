"""Pictures as files: SVG, and PNG and PDF of the same drawing."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from alm_bench.core.files import write_atomically
from alm_bench.reports.plots.charts import Chart
from alm_bench.reports.plots.pictures import build_condition_chart
from alm_bench.reports.plots.svg import draw_panels, draw_svg
from alm_bench.scoring.grounding import Effect

PictureFormat = Literal["png", "pdf", "svg"]
FORMATS: tuple[PictureFormat, ...] = get_args(PictureFormat)

_PNG_ZOOM = 2.0  # pixels per unit of the drawing
_PDF_ZOOM = 4.0
_UNITS_PER_INCH = 75.0  # a picture of 480 units is 6.4 inches wide on paper


def encode_picture(svg: str, form: PictureFormat) -> bytes:
    """Return the bytes of a picture in a format, from a standalone SVG. A PDF contains pixels, 300 per inch."""
    if form == "svg":
        return svg.encode(errors="replace")
    if form == "png":
        return _render_png(svg, _PNG_ZOOM)
    from PIL import Image

    file = io.BytesIO()
    image = Image.open(io.BytesIO(_render_png(svg, _PDF_ZOOM))).convert("RGB")
    image.save(file, "PDF", resolution=_PDF_ZOOM * _UNITS_PER_INCH, quality=95)
    return file.getvalue()


def _render_png(svg: str, zoom: float) -> bytes:
    """Return a standalone SVG as a PNG file, drawn with the font that matplotlib brings along."""
    import matplotlib
    import resvg_py

    font = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    bold = font.with_name("DejaVuSans-Bold.ttf")
    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=zoom,
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
            write_atomically(path, encode_picture(svg, form), "--to")
            written.append(path)
    return written


def write_ablation_picture(
    effects: Mapping[str, Mapping[str, Effect]], levels: Mapping[str, float | None], model: str, file: Path
) -> bool:
    """Write a picture of a model's noise ablation, with one panel per task. The suffix of `file` selects the format.

    Return False, without writing, if no task has a score. `effects` holds the effects on all items, by task and
    condition. `levels` holds the signal-to-noise ratio in dB by condition, None for conditions without one. Raises
    StoreError.
    """
    charts = [(task, build_condition_chart(task, model, found, levels, {})) for task, found in effects.items()]
    panels = [replace(chart, title=task) for task, chart in charts if chart is not None]
    if not panels:
        return False
    form = next(form for form in FORMATS if file.suffix.lower() == f".{form}")
    write_atomically(file, encode_picture(draw_panels(model, panels), form), "--plot")
    return True
