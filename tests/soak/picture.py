"""The week at a glance: who was flagged each day, and over it what was alerted and done."""

from datetime import date
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from ml.files import new_file
from tests.soak.entries import words
from tests.soak.truth import GOOD

INKS = ("#2f6f9f", "#7fb0d1", "#3f8f6b", "#a9cf9c", "#c2571a", "#e3b04b", "#7a5c99")
GREY, ALARM = "#c9cfd6", "#b5452c"


def draw_week(path: Path, facts: dict) -> None:
    """The same bytes for the same facts."""
    drawn, (marks, flags) = plt.subplots(2, 1, figsize=(10, 6), sharex=True, layout="constrained", height_ratios=(1, 2))
    _stack(flags, facts["days"])
    _mark(marks, facts)
    with new_file(path) as unfinished:
        drawn.savefig(unfinished, dpi=110, format="png", metadata={"Software": None})
    plt.close(drawn)


def _stack(axes: Axes, days: list[dict]) -> None:
    names = sorted({name for day in days for name in day["truth"]}, key=lambda name: (name == GOOD, name))
    places, floor = np.array([day["number"] for day in days]), np.zeros(len(days))
    for name, ink in zip(names, INKS, strict=False):
        height = np.array([day["truth"].get(name, {"flagged": 0})["flagged"] for day in days])
        axes.bar(places, height, bottom=floor, width=0.62, color=GREY if name == GOOD else ink, label=words(name))
        floor += height
    axes.set_xticks(places, [_under(day) for day in days])
    axes.set_ylabel("users flagged, by the simulator's truth")
    axes.legend(frameon=False, ncols=4, fontsize=8, loc="upper left")
    axes.set_ylim(top=max(floor) * 1.3)
    axes.spines[["top", "right"]].set_visible(False)


def _under(day: dict) -> str:
    return (
        f"day {day['number']}, {date.fromisoformat(day['date']):%a %d %b}\nchampion {day['runs'][-1]['model_version']}"
    )


def _mark(axes: Axes, facts: dict) -> None:
    """A column of words over each day: what began, what was alerted, what was done."""
    columns = []
    for day in facts["days"]:
        lines = [(name, "0.45") for name in _begins(facts, day)]
        lines += [(told, ALARM) for told in dict.fromkeys(words(alert["kind"]) for alert in day["alerts"])]
        lines += [(f"→ {words(one['action'])}", "#2f6f9f") for one in day["decisions"] if one["action"] != "nothing"]
        lines += [(told, "#222222") for told in _steps(facts, day)]
        columns.append(lines)
    for day, lines in zip(facts["days"], columns, strict=True):
        for place, (told, ink) in enumerate(lines):
            axes.text(day["number"], -place, told, color=ink, fontsize=8.5, ha="center", va="top")
    axes.set(xlim=(0.5, len(facts["days"]) + 0.5), ylim=(-max(map(len, columns)), 0.5))
    axes.axis("off")


def _begins(facts: dict, day: dict) -> list[str]:
    told = {"drift": "app replaces mobile site", "attack": "scrapers arrive", "bad": "careless training"}
    return [told[name] for name, number in facts["plot"].items() if number == day["number"]]


def _steps(facts: dict, day: dict) -> list[str]:
    """Refused at the gate, answered by the owner."""
    deeds = [*facts["before"], *(deed for each in facts["days"] for deed in each["deeds"])]
    gate = ["stopped at the gate" for deed in day["deeds"] if "check_gate" in deed["refused"]]
    questions = [deed for deed in deeds if deed.get("question", {}).get("on") == day["number"]]
    moved = [deed["returned"].get("move_alias") for deed in questions]
    return gate + [f"champion {move['version']}" if move else "challenger rejected" for move in moved]
