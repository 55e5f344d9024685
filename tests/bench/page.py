"""What is kept of the figures for people: the table in docs/benchmarks.md and its charts."""

from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from ml.files import new_file, write_text

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"
HEAD = "| name | ours | peer | unit | ratio | spread | wanted | machine, date |"
OURS, PEER, WANTED_LINE = "#2f6f9f", "#c9cfd6", "#b5452c"
INKS = (OURS, WANTED_LINE, "#222222")
# What Trailguard set out to reach, as ratio: the least, or for times, sizes and exponents the most.
AT_LEAST = {
    "score_gru_vs_ptls": 1.3,
    "score_gru_vs_padded_keras": 6,
    "score_transformer_vs_padded_keras": 15,
    "sequences_vs_pandas": 20,
    "publish_vs_copy": 0.8,
    "train_vs_padded_keras": 4,
}
AT_MOST = {
    "score_one_event_p99_vs_ptls": 1,
    "score_padding_share": 0.1,
    "sequences_vs_bare_sort": 1.5,
    "publish_swap_ms": 50,
    "read_flag_ms": 1,
    "growth_exponent": 1.05,
    "peak_rss_gib": 2,
    "airflow_overhead": 1.1,
}


def write_page(rows: list[dict]) -> None:
    """rows: as kept in bench/results.json."""
    page = DOCS / "benchmarks.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [HEAD, "| --- | --- | --- | --- | --- | --- | --- | --- |", *map(_line, rows)]
    write_text(page, before + "\n".join([BEGIN, "", *lines, "", END]) + after)
    known = {row["name"]: row for row in rows}
    draw(DOCS / "benchmarks-ratios.png", lambda axes: _ratios(axes, known))
    if any(name.startswith("score_lake_") for name in known):
        draw(DOCS / "benchmarks-growth.png", lambda axes: _growth(axes, known))


def wanted(name: str) -> str:
    """What was set out for, in words; nothing where nothing was."""
    return f"≥ {AT_LEAST[name]:g}" if name in AT_LEAST else f"≤ {AT_MOST[name]:g}" if name in AT_MOST else ""


def figure(value: float | None) -> str:
    """Four digits, thousands apart."""
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _line(row: dict) -> str:
    spread = f"{row['low']:.3g} to {row['high']:.3g}"
    told = f"{row['machine']}, {row['date']}" + (", quick" if row["quick"] else "")
    cells = [row["name"], figure(row["ours"]), figure(row["peer"]), row["unit"], f"{row['ratio']:.3g}", spread]
    return f"| {' | '.join([*cells, wanted(row['name']), told])} |"


def draw(path: Path, plot: Callable[[Axes], None]) -> None:
    """Writes a chart, the same bytes for the same figures."""
    drawn, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    plot(axes)
    with new_file(path) as unfinished:
        drawn.savefig(unfinished, dpi=110, format="png", metadata={"Software": None})
    plt.close(drawn)


def _ratios(axes: Axes, known: dict[str, dict]) -> None:
    """Rates beside the peers': how many times as fast, and how much was wanted."""
    shown = [known[name] for name in reversed(AT_LEAST) if name in known]
    places = range(len(shown))
    ratios = [row["ratio"] for row in shown]
    spread = [[row["ratio"] - row["low"] for row in shown], [row["high"] - row["ratio"] for row in shown]]
    axes.barh(places, ratios, xerr=spread, color=OURS, ecolor="#222222", height=0.6)
    for place, row in zip(places, shown, strict=True):
        axes.plot([AT_LEAST[row["name"]]] * 2, [place - 0.38, place + 0.38], color=WANTED_LINE, linewidth=2)
    axes.axvline(1, color=PEER, zorder=0)
    axes.set_xscale("log")
    axes.set_yticks(places, [row["name"] for row in shown])
    axes.set_xlabel("times the peer's rate (red: wanted)")
    axes.spines[["top", "right"]].set_visible(False)


def _growth(axes: Axes, known: dict[str, dict]) -> None:
    """Events a second through all scoring stages, and the largest process, by the size of the lake."""
    sizes = sorted(int(name.removeprefix("score_lake_")[:-1]) for name in known if name.startswith("score_lake_"))
    axes.plot(sizes, [known[f"score_lake_{size}m"]["ratio"] for size in sizes], "o-", color=OURS)
    axes.set(xscale="log", xlabel="million events", ylabel="events/s through all scoring stages")
    axes.set_ylim(bottom=0)
    memory = axes.twinx()
    memory.plot(sizes, [known[f"peak_rss_gib_{size}m"]["ratio"] for size in sizes], "s--", color=WANTED_LINE)
    memory.set_ylabel("largest process, GiB (dashed)")
    memory.set_ylim(0, AT_MOST["peak_rss_gib"])
    axes.set_xticks(sizes, map(str, sizes))
    axes.spines["top"].set_visible(False)
    memory.spines["top"].set_visible(False)
