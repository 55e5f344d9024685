"""MLflow goes away: before a plan, in a training, in a registration, in a promotion."""

import time

from tests.fault.fault import Fault
from tests.fault.killed import scoring
from tests.fault.models import CANDIDATES, RECORDED, Move
from tests.fault.shop import Shop
from tests.fault.steps import Step, step

LOGGED = "ml.registry.register:_log_model"


def away_at_scoring(shop: Shop, round_: int) -> None:
    plan, *rest = scoring(shop, shop.day(round_))
    shop.kill_service("mlflow")
    assert shop.stage(plan).status == 1, "what failed here is tried again"
    shop.heal()
    shop.run(plan, *rest)


def away_at_registration(shop: Shop, round_: int) -> None:
    """It dies after the training is logged and before the model is."""
    register = _registration(shop, f"away {round_}")
    shop.fail(register, (LOGGED, 1), lambda: shop.kill_service("mlflow"))
    shop.heal()
    _register(shop, register)


def die_between_version_and_tags(shop: Shop, round_: int) -> None:
    register = _registration(shop, f"killed {round_}")
    shop.arm(register, "kill", (LOGGED, 1), after=True)
    assert shop.stage(register).status == -9
    shop.struck()
    _register(shop, register)


def _registration(shop: Shop, run: str) -> Step:
    return step("register-candidate", as_of=shop.days[0], dag_run_id=f"register {run} {time.time_ns()}")


def _register(shop: Shop, register: Step) -> None:
    """The training has one version, whole."""
    (done,) = shop.run(register)
    registered = shop.registry.get_model_version(CANDIDATES, done.told["version"])
    assert {"bundle_sha256", "as_of", "snapshot_fingerprint"} <= set(registered.tags)
    assert registered.description
    run = register.arguments[-1]
    trained = [
        version
        for version in shop.registry.search_model_versions(f"name = '{CANDIDATES}'")
        if version.run_id and shop.registry.get_run(version.run_id).data.tags.get("dag_run_id") == run
    ]
    assert len(trained) == 1, f"one DAG run registers one version: {[found.version for found in trained]}"


def _away(shop: Shop, dies: Step) -> None:
    shop.fail(dies, (RECORDED, 1), lambda: shop.kill_service("mlflow"), after=True)
    shop.heal()


FAULTS = (
    Fault("MLflow killed before a plan", "SIGKILL to the server", away_at_scoring),
    Fault(
        "MLflow killed during a registration", "SIGKILL to the server before the model is logged", away_at_registration
    ),
    Fault(
        "registration killed between version and tags",
        "SIGKILL to the stage with the version made, and nothing told of it",
        die_between_version_and_tags,
    ),
    Fault(
        "MLflow killed between ledger and alias",
        "SIGKILL to the server with a promotion on record",
        Move("away", (RECORDED, 1), harm=_away),
    ),
)
