"""The anomalous families, each a Family: what its members do, when they are found out, and under which name."""

from ml.datasets.marketplace.families.brushing import BRUSHING
from ml.datasets.marketplace.families.burst import BURST
from ml.datasets.marketplace.families.click_farm import CLICK_FARM
from ml.datasets.marketplace.families.coattail import COATTAIL
from ml.datasets.marketplace.families.scene import Family, Named, Plan, Scene
from ml.datasets.marketplace.families.scraper import SCRAPER
from ml.datasets.marketplace.families.takeover import TAKEOVER

BY_NAME = {family.name: family for family in (SCRAPER, CLICK_FARM, BRUSHING, COATTAIL, TAKEOVER, BURST)}

__all__ = ["BY_NAME", "Family", "Named", "Plan", "Scene"]
