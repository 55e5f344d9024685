"""A simulated shop so small that its whole journey takes a minute or two."""

from datetime import timedelta
from pathlib import Path

import yaml

from ml.datasets.descriptor import SHIPPED
from ml.datasets.marketplace import World, simulate

WORLD = World(shoppers=2500, items=600, days=45, stealth=0.1, anomalous_share=0.3)
AS_OF = WORLD.start + timedelta(days=35)
SCORED_DAYS = 7


def open_shop(folder: Path) -> Path:
    """Writes the raw files, and the shipped descriptor with this world's days and a promise that it can keep."""
    simulate(WORLD, folder)
    declared = yaml.safe_load((SHIPPED / "marketplace.yaml").read_text())
    declared |= {"name": "small-shop", "label_delay_days": 7}
    declared["demo"] = {
        "history_start": WORLD.start,
        "as_of": AS_OF,
        "score_days": SCORED_DAYS,
        "history_end": WORLD.start + timedelta(days=WORLD.days),
        "precision_floor": 0.5,
        "alert_budget": 0.5,
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(declared))
    return folder
