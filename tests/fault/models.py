"""Artifacts that rot, an alias that points nowhere, promotions that die half-way."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ml.registry.model_registry import BUNDLE, CHAMPION
from plugins.trailguard_accounts import Account
from tests.fault.facts import ledger
from tests.fault.fault import Fault
from tests.fault.killed import scoring
from tests.fault.shop import Shop
from tests.fault.steps import Step, step

PRODUCTION, CANDIDATES = "trailguard", "trailguard-candidates"
REFUSED = 3
FILES = ("model.onnx", "calibration.json", "featurizer.json")  # another one each round
RECORDED = "ml.registry.ledger:PromotionLedger.record"


def point_nowhere(shop: Shop, round_: int) -> None:
    plan, *rest = scoring(shop, shop.day(round_))
    shop.registry.delete_registered_model_alias(PRODUCTION, CHAMPION)
    shop.afterwards.append(lambda: shop.registry.set_registered_model_alias(PRODUCTION, CHAMPION, "1"))
    assert shop.stage(plan).status == REFUSED, "without a champion nobody is scored"
    shop.restore()
    shop.run(plan, *rest)


def rot_in_store(shop: Shop, round_: int) -> None:
    """A byte of the registered artifact is another one, and the copy that was fetched is gone."""
    plan, *rest = scoring(shop, shop.day(round_))
    address = shop.registry.get_model_version_download_uri(PRODUCTION, "1").removeprefix("mlflow-artifacts:/")
    _flip(shop, shop.stack.home / "mlflow" / "artifacts" / address / BUNDLE / FILES[round_ % len(FILES)])
    bundle = _bundle(shop)
    away = bundle.rename(bundle.with_name("away"))
    shop.afterwards.insert(0, lambda: shutil.rmtree(away) if bundle.exists() else away.rename(bundle))
    assert shop.stage(plan).status == REFUSED, "an artifact that is not what was registered is not loaded"
    assert not bundle.exists()
    shop.afterwards.pop()()  # the artifact is restored
    shop.run(plan, *rest)


def rot_once_fetched(shop: Shop, round_: int) -> None:
    plan, *rest = scoring(shop, shop.day(round_))
    _flip(shop, _bundle(shop) / FILES[round_ % len(FILES)])
    assert shop.stage(plan).status == REFUSED, "a copy that rotted on disk is not loaded"
    shop.afterwards.clear()  # what was refused is fetched anew
    shop.run(plan, *rest)


def rot_once_planned(shop: Shop, round_: int) -> None:
    """The stages after the plan look at the copy once more."""
    plan, score, decide, publish = scoring(shop, shop.day(round_))
    shop.run(plan)
    _flip(shop, _bundle(shop) / FILES[round_ % len(FILES)])
    for each in (score, decide):
        assert shop.stage(each).status != 0, f"{each.stage} must not trust a copy that rotted since it was planned"
    shop.afterwards.clear()
    shop.run(plan, score, decide, publish)


def _flip(shop: Shop, file: Path) -> None:
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    shop.afterwards.append(lambda: file.write_bytes(content))


def _bundle(shop: Shop) -> Path:
    return shop.lake / "models" / PRODUCTION / "1"


def rival(shop: Shop) -> str:
    """The version of a candidate that may be promoted: the champion's twin."""
    for found in shop.registry.search_model_versions(f"name = '{CANDIDATES}'"):
        if found.tags.get("twin"):
            return str(found.version)
    source = shop.registry.get_model_version(PRODUCTION, "1").source
    version = str(shop.registry.copy_model_version(source, CANDIDATES).version)
    chosen = {"model": CANDIDATES, "version": version, "precision_floor": 0.25, "confidence": 0.6}
    shop.run(step("choose-threshold", as_of=shop.days[0], **chosen))
    shop.registry.set_model_version_tag(CANDIDATES, version, "twin", "yes")
    return version


def promotion(shop: Shop, run: str) -> Step:
    told = {"version": rival(shop), "approved_by": "dora", "dag_run_id": f"promote {run}"}
    return step("promote-model", account=Account.PROMOTER, **told)


def rollback(run: str) -> Step:
    told = {"reason": "a fault", "decided_by": "dora", "dag_run_id": f"rollback {run}"}
    return step("rollback-model", account=Account.PROMOTER, **told)


@dataclass(frozen=True)
class Move:
    """The alias is moved to a twin of the champion and back; one of both moves dies at a call.

    back: whether it is the second. harm: what happens at the call.
    """

    name: str
    at: tuple[str, int]
    back: bool = False
    harm: Callable[[Shop, Step], None] | None = None

    def __call__(self, shop: Shop, round_: int) -> None:
        before = len(ledger(shop))
        run = f"{self.name} {before}"
        there, back = promotion(shop, run), rollback(run)
        shop.run(*[there][: self.back])
        dies = back if self.back else there
        (self.harm or self._kill)(shop, dies)
        shop.run(dies, *([] if self.back else [back]))
        assert len(ledger(shop)) == before + 2, "one row for each move"
        copies = shop.registry.search_model_versions(f"name = '{PRODUCTION}'")
        sources = [copy.source for copy in copies]
        assert len(sources) == len(set(sources)), f"a candidate is copied once: {sources}"

    def _kill(self, shop: Shop, dies: Step) -> None:
        shop.arm(dies, "kill", self.at, after=True)
        assert shop.stage(dies).status == -9
        shop.struck()


FAULTS = (
    Fault("champion alias points nowhere", "nobody carries the alias", point_nowhere),
    Fault("registered model rots in MLflow's store", "one bit of an artifact is another one", rot_in_store),
    Fault(
        "fetched model rots before it is planned with", "one bit of a bundle's file is another one", rot_once_fetched
    ),
    Fault("fetched model rots after the plan", "one bit of a bundle's file is another one", rot_once_planned),
    Fault(
        "promotion killed before the ledger",
        "SIGKILL with the candidate copied into production, and the alias where it was",
        Move("copied", ("ml.registry.model_registry:ModelRegistry.adopt", 1)),
    ),
    Fault(
        "promotion killed between ledger and alias",
        "SIGKILL with the move on record, and the alias where it was",
        Move("recorded", (RECORDED, 1)),
        quick=True,
    ),
    Fault(
        "rollback killed between ledger and alias",
        "SIGKILL with the move back on record, and the alias where it was",
        Move("back", (RECORDED, 1), back=True),
    ),
)
