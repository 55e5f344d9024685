"""Stages that have the champion go on learning from what has become known since."""

import json
import shutil
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.registered import candidates, models_folder, production
from ml.commands.stage import AsOf, Seed, new_app, stage
from ml.commands.trained import Learning, bundle_of, freeze_snapshot, learned_folder, load_learned_from
from ml.contracts.intervals import parse_time
from ml.contracts.model_version import ModelVersion
from ml.files import write_json
from ml.settings import settings

if TYPE_CHECKING:
    from datetime import datetime

PREDECESSOR = "predecessor.json"
FEWEST_NEWS = 10  # anomalous users that the champion has not learned from; of fewer there is little to learn
app = new_app()


class Due(StrEnum):
    """When an update is worth its while."""

    IDLE = "idle"  # where no challenger is in the champion's shadow, since its place would be taken
    ALWAYS = "always"


@stage(app)
def take_update(
    as_of: AsOf,
    due: Annotated[Due, typer.Option(help="`idle`: only where no challenger is in the shadow.")] = Due.ALWAYS,
) -> dict:
    """Freeze what was known then for the champion to go on from; `reason` says why there is nothing to do."""
    from ml.registry.model_registry import CHAMPION

    acting, moment, folder = production(), parse_time(as_of), learned_folder(as_of, Learning.UPDATE)
    champion = ModelVersion(acting.name, acting.version_of(CHAMPION))
    predecessor = load_learned_from(acting.tags(champion.version))
    if predecessor.as_of >= moment:
        return {"reason": f"{champion} has learned from all that was known by {predecessor.as_of.date()}"}
    if due == Due.IDLE and (waiting := _in_shadow(predecessor.as_of, moment)):
        return {"reason": f"{waiting} is in the champion's shadow"}
    snapshot = freeze_snapshot(as_of, Learning.UPDATE, predecessor)
    if (news := snapshot.news())["anomalous"] < FEWEST_NEWS:
        shutil.rmtree(folder)  # one a day would add up
        return {"reason": f"only {news['anomalous']} anomalous users are news"}
    write_json(folder / PREDECESSOR, champion.facts)
    told = {"fingerprint": snapshot.fingerprint, "slices": snapshot.counts(), "news": news, "folder": folder}
    return {**champion.facts, **told, "reason": ""}


@stage(app)
def fit_update(as_of: AsOf, seed: Seed = 0) -> dict:
    """Fine-tune the champion's network on users who are news, replaying some whom it knew; grow its trees anew."""
    from ml.training.update import update

    folder = learned_folder(as_of, Learning.UPDATE)
    champion = json.loads((folder / PREDECESSOR).read_text())
    predecessor = production().fetch(champion["version"], models_folder())
    return update(folder, bundle_of(as_of, Learning.UPDATE), predecessor, seed)


def _in_shadow(champion_as_of: "datetime", at: "datetime") -> str:
    """The challenger that is newer than the champion and has days of its shadow period before it; empty for none."""
    from ml.registry.model_registry import CHALLENGER

    registry = candidates()
    version = registry.find_version(CHALLENGER)
    learned = version and parse_time(registry.tags(version)["as_of"])
    waits = learned and champion_as_of < learned and at <= learned + timedelta(days=settings().shadow_days)
    return str(ModelVersion(registry.name, version)) if waits else ""
