"""report.html: one page that loads nothing from a network."""

from pathlib import Path

import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ml.comparison.pictures import draw_curves, draw_scores
from ml.files import write_text

TEMPLATE = "page.html.j2"


def write_page(path: Path, report: dict, predictions: pa.Table) -> None:
    """report: as in report.json."""
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    prefixes = list(dict.fromkeys(row["prefix"] for row in report["scores"]))
    found = {(row["model"], row["prefix"], row["metric"]): row for row in report["scores"]}
    gained = {(row["model"], row["prefix"], row["metric"]): row for row in report["differences"]}
    page = pages.get_template(TEMPLATE).render(
        report=report,
        prefixes=prefixes,
        models=list(dict.fromkeys(row["model"] for row in report["scores"])),
        metrics=list(dict.fromkeys(row["metric"] for row in report["scores"])),
        found=found,
        gained=gained,
        scores=draw_scores(report["scores"]),
        curves={prefix: draw_curves(predictions, prefix) for prefix in prefixes},
    )
    write_text(path, page)
