"""What only the simulator knows: who attacked, and since when. The platform never sees it."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from ml.datasets.marketplace import World
from ml.datasets.marketplace.catalogue import stock
from ml.datasets.marketplace.families import Scene
from ml.datasets.marketplace.names import customers
from ml.datasets.marketplace.shoppers import HONEST, cast
from ml.datasets.marketplace.simulation import play

GOOD = "good"


@dataclass(frozen=True)
class Truth:
    """visits: one row for each user and day with events of theirs: day, user_id, and family: the attackers' once they
    have attacked by the end of that day, else GOOD."""

    visits: pd.DataFrame

    @classmethod
    def of(cls, world: World, first: date, last: date) -> "Truth":
        """The world played once more, of which the days from first to last are kept."""
        parts = [_visits(world, scene, trail) for scene, trail, _ in play(world, stock(world), cast(world))]
        visits = pd.concat(parts)
        return cls(visits[visits["day"].between(first, last)].sort_values(["day", "user_id"]).reset_index(drop=True))

    def on(self, day: date) -> pd.Series:
        """user_id -> family, of those who came that day."""
        return self.visits[self.visits["day"] == day].set_index("user_id")["family"]


def _visits(world: World, scene: Scene, trail: object) -> pd.DataFrame:
    seen = pd.DataFrame({"shopper": trail.shopper, "day": trail.time.astype(int)}).drop_duplicates()
    attacked = _first_attacks(scene)[seen["shopper"]] < seen["day"] + 1
    families = np.array([*world.families, GOOD])  # HONEST is -1: the last
    family = np.where(attacked, scene.shoppers.family[seen["shopper"]], HONEST)
    users = customers(world.seed, scene.shoppers.number).to_pandas().to_numpy()
    return pd.DataFrame(
        {
            "day": seen["day"].map({number: world.day(number) for number in range(world.days)}),
            "user_id": users[seen["shopper"]],
            "family": families[family],
        }
    )


def _first_attacks(scene: Scene) -> np.ndarray:
    """float64 (shoppers,): days since the period began, infinite for who never attacks."""
    sessions = scene.sessions
    first = np.full(len(scene.shoppers), np.inf)
    np.minimum.at(first, sessions.shopper[sessions.attack], sessions.start[sessions.attack])
    return first
