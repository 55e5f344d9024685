"""What is kept for people of the scaling curve: the table in docs/scaling.md and its chart."""

from datetime import UTC, datetime

from matplotlib.axes import Axes

from ml.files import write_text
from tests.bench.page import DOCS, INKS, draw

BEGIN, END = "<!-- figures: written by tests.bench.scaling -->", "<!-- end of figures -->"
HEAD = "| weights | labels told | users | epochs | ROC AUC after 5 | all | average precision after 5 | all |"


def write_page(rows: list[dict], *, architecture: str, machine: str) -> None:
    """rows: of each pair, prefix after prefix, as tests.bench.scaling measures them."""
    page, pairs = DOCS / "scaling.md", list(zip(rows[::2], rows[1::2], strict=True))
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    told = f"{architecture}; {machine}, {datetime.now(UTC):%Y-%m-%d}"
    lines = [told, "", HEAD, "|" + " --- |" * 8, *(_line(*pair) for pair in pairs)]
    write_text(page, before + "\n".join([BEGIN, "", *lines, "", END]) + after)
    draw(DOCS / "scaling.png", lambda axes: _curves(axes, rows))


def _line(early: dict, late: dict) -> str:
    figures = [_interval(row[metric]) for metric in ("roc_auc", "average_precision") for row in (early, late)]
    cells = [f"{early['weights']:,}", f"{early['share']:g}", f"{early['users']:,}", str(early["epochs"]), *figures]
    return f"| {' | '.join(cells)} |"


def _interval(score: dict) -> str:
    return f"{score['mean']:.4f} ({score['low']:.4f} to {score['high']:.4f})"


def _curves(axes: Axes, rows: list[dict]) -> None:
    """What is missing to a perfect ranking, by the users to learn from: a line for each size and prefix."""
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    for size, prefix in {(row["size"], row["prefix"]): None for row in rows}:
        line = [row for row in rows if (row["size"], row["prefix"]) == (size, prefix)]
        missing = [1 - row["roc_auc"]["mean"] for row in line]
        style, events = ("o-", "all events") if prefix == "all" else ("s--", f"{prefix} events")
        label = f"{line[0]['weights'] / 1e6:.2g} M weights, {events}"
        axes.plot([row["users"] for row in line], missing, style, color=INKS[sizes.index(size)], label=label)
    axes.set(xscale="log", yscale="log", xlabel="labelled users to learn from", ylabel="1 - ROC AUC")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
