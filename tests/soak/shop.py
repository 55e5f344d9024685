"""The shop in which the week is played: what happens on which day, and what is set so that a week suffices."""

from datetime import date, timedelta
from pathlib import Path

import yaml

from ml.datasets.descriptor import SHIPPED
from ml.datasets.marketplace import World, simulate

HISTORY_DAYS, WEEK_DAYS = 42, 7  # both begin on a Monday
DAYS_AFTER = 14  # nobody's life ends with the week
PLOT = {"drift": 3, "attack": 4, "bad": 5}  # what happens on which day of the week, from 1 on
NEW_FAMILY, NEW_KIND = "scraper", "bot"
DRIFTED_INPUT = "channel"
LABEL_DELAY_DAYS = 7
WORLD = World(
    shoppers=6_400,
    items=1_500,
    days=HISTORY_DAYS + WEEK_DAYS + DAYS_AFTER,
    anomalous_share=0.2,
    stealth=0.3,
    arrivals={NEW_FAMILY: HISTORY_DAYS + PLOT["attack"] - 1},
    app_day=HISTORY_DAYS + PLOT["drift"] - 1,
)
AS_OF = WORLD.day(HISTORY_DAYS)
PROMISE = {"precision_floor": 0.5, "alert_budget": 0.3}
SETTINGS = {  # of the deployment, beside the promise
    "TRAILGUARD_SHADOW_DAYS": 1,
    "TRAILGUARD_SHADOW_LOOK_SECONDS": 30,
}


def day(number: int) -> date:
    """The week's days count from 1."""
    return AS_OF + timedelta(days=number - 1)


def open_shop(folder: Path) -> Path:
    """Writes the raw files of the world, and the shipped descriptor with this week's days and promise."""
    simulate(WORLD, folder)
    declared = yaml.safe_load((SHIPPED / "marketplace.yaml").read_text())
    declared |= {"name": "soak", "label_delay_days": LABEL_DELAY_DAYS}
    declared["demo"] = {
        "history_start": WORLD.start,
        "as_of": AS_OF,
        "score_days": WEEK_DAYS,
        "history_end": day(WEEK_DAYS + 1),
        **PROMISE,
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(declared))
    return folder
