"""docs/soak.md and docs/soak.png: the week for whoever was not there. The same facts give the same page."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from ml.files import write_text
from tests.soak.checks import check
from tests.soak.diary import answered_on, write_day
from tests.soak.entries import tell_answer, tell_deed, words
from tests.soak.owner import RULE
from tests.soak.picture import draw_week
from tests.soak.truth import GOOD

HEAD = """# A week in fast-forward

What Trailguard does by itself in a week in which much goes wrong. `make soak` simulates a shop, starts the whole stack
with accounts, trains a first champion, and then lets seven days pass, one after another, through the real scheduler.
Each day its raw files come in and the daily DAGs run; then it waits until all that the platform has started is done.
The script writes no row of the product and starts nothing but the daily DAGs, with one exception, told on day {bad}.
Everything below was read back afterwards from where an operator reads it: the views `run_history`, `alert_history`,
`decision_history`, `flag_history`, `label_history` and `partition_history`, Airflow's DAG runs and their questions, and
each evening `current_flag` as the recommender reads it. What only the simulator knows is set apart like this:

> The simulator's truth: who had really attacked.

Made by `make soak` on {machine}, {made}, in {minutes} minutes.

![Flags of each day by the simulator's truth, with alerts and what was done](soak.png)
"""
SETTLED = """## What is set so that a week suffices

{settings}
- `update_model` runs where the monitor asks for it, not every day.
- Labels count as complete {delay} days after a user was first seen (`label_delay_days` of the descriptor).
- The threshold promises precision ≥ {precision_floor} and at most {alert_budget:.0%} of the users flagged. With few
  users more could not be proven with 95 % confidence.

The model owner is a script that answers through Airflow's API, from the question's text alone. Its rule: {rule}
"""


def write_page(facts: dict, docs: Path) -> None:
    """docs: the folder."""
    sections = [
        HEAD.format(bad=facts["plot"]["bad"], **facts["made"]),
        _overview(facts),
        "## Before the week\n",
        _before(facts),
        *(write_day(facts, day) for day in facts["days"]),
        _recall(facts),
        _checked(facts),
        _settled(facts),
    ]
    write_text(docs / "soak.md", "\n".join(sections))
    draw_week(docs / "soak.png", facts)


def _before(facts: dict) -> str:
    entries = [entry for deed in facts["before"] for entry in tell_deed(deed)]
    entries += [tell_answer(deed) for deed in answered_on(facts, 0)]
    return "\n".join([*(f"- {entry}" for entry in entries), ""])


def _overview(facts: dict) -> str:
    lines = ["| day | champion | scored | flagged | alerts | decided |", "| --- | ---: | ---: | ---: | --- | --- |"]
    for day in facts["days"]:
        run = day["runs"][-1]
        alerts = ", ".join(f"{words(alert['kind'])} ({alert['subject']})" for alert in day["alerts"])
        decided = ", ".join(words(one["action"]) for one in day["decisions"])
        when = f"{day['number']}, {date.fromisoformat(day['date']):%a %d %b}"
        cells = [when, run["model_version"], run["users_scored"], run["users_active"], alerts, decided]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def _recall(facts: dict) -> str:
    """Families down, days across."""
    names = list(dict.fromkeys(name for day in facts["days"] for name in day["truth"]))
    names.sort(key=lambda name: (name == GOOD, name))
    head = [
        "## Who was caught",
        "",
        "> The simulator's truth: flagged, of those who came after their first attack.",
        "",
    ]
    head += [
        f"| | {' | '.join(str(day['number']) for day in facts['days'])} |",
        "| --- |" + " ---: |" * len(facts["days"]),
    ]
    return "\n".join([*head, *(f"| {words(name)} | {' | '.join(_row(facts, name))} |" for name in names), ""])


def _row(facts: dict, name: str) -> Iterator[str]:
    for day in facts["days"]:
        seen = day["truth"].get(name)
        yield f"{seen['flagged']} of {seen['came']}" if seen else ""


def _checked(facts: dict) -> str:
    lines = [f"- {'yes' if holds else '**NO**'}: {told}" for told, holds in check(facts).items()]
    return "\n".join(["## What the soak checks itself", "", *lines, ""])


def _settled(facts: dict) -> str:
    settings = "\n".join(f"- `{name}={value}`" for name, value in facts["settings"].items())
    return SETTLED.format(settings=settings, delay=facts["label_delay_days"], rule=RULE, **facts["promise"])
