"""The alias `champion` moves forwards and back, and the ledger remembers every move."""

from itertools import pairwise
from pathlib import Path

import pytest

from ml.registry.champion import Champion, GateOutdated, LedgerContradicted, MovedBefore, NothingBefore, champions
from ml.registry.ledger import PromotionLedger, PromotionNotAllowed
from ml.registry.model_registry import CHAMPION, ModelRegistry, VersionAbsent
from tests.integration.conftest import RoleUrl

pytestmark = pytest.mark.filterwarnings("default:::mlflow")


@pytest.fixture
def champion(url_of: RoleUrl, tmp_path: Path, request: pytest.FixtureRequest) -> Champion:
    """Of a model of the test's own, since the ledger forgets nothing; with three versions, none of which acts."""
    registry = ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", request.node.name)
    registry.client.create_registered_model(registry.name)
    for _ in range(3):
        registry.client.create_model_version(registry.name, source=str(tmp_path), run_id=None)
    return Champion(registry, PromotionLedger(url_of("trailguard_promoter")))


def move(champion: Champion, version: str, dag_run_id: str | None = None, against: str = "") -> dict:
    told = {"decided_by": "ann", "reason": "because", "gate_results": []}
    return champion.move(version, **told, dag_run_id=dag_run_id, against=against)


def die_before_the_alias(champion: Champion, version: str, dag_run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, "move_alias", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            move(champion, version, dag_run_id)


def test_an_account_that_may_not_promote_is_told_so_and_moves_nothing(champion: Champion, url_of: RoleUrl):
    pipeline = Champion(champion.registry, PromotionLedger(url_of("trailguard_writer")))
    with pytest.raises(PromotionNotAllowed, match="--account promoter"):
        move(pipeline, "1")
    assert champion.version is None


def test_a_move_is_recorded_and_a_second_attempt_writes_nothing(champion: Champion):
    assert move(champion, "1", "run-1") == {"version": "1", "moved": True, "from": None}
    assert move(champion, "1", "run-1") == {"version": "1", "moved": False}
    assert champion.version == "1"
    assert champion.ledger.moves(champion.registry.name, CHAMPION) == [(None, "1", "run-1")]


def test_a_move_that_died_after_the_ledger_is_finished_by_the_next_attempt(
    champion: Champion, monkeypatch: pytest.MonkeyPatch
):
    die_before_the_alias(champion, "1", "run-1", monkeypatch)
    assert champion.version is None
    move(champion, "1", "run-1")
    assert champion.version == "1"
    assert len(champion.ledger.moves(champion.registry.name, CHAMPION)) == 1


def test_a_move_that_died_and_was_overtaken_is_never_gone_back_to(champion: Champion, monkeypatch: pytest.MonkeyPatch):
    move(champion, "1", "run-1")
    die_before_the_alias(champion, "2", "run-2", monkeypatch)
    move(champion, "3", "run-3")
    assert champion.version_before(dag_run_id=None) == "1"
    with pytest.raises(MovedBefore):
        move(champion, "2", "run-2")


def test_a_version_that_was_compared_with_another_champion_is_not_promoted(champion: Champion):
    move(champion, "1", against="nobody")
    for against in ("nobody", "3"):
        with pytest.raises(GateOutdated, match=f"compared_with={against} champion=1"):
            move(champion, "2", against=against)
    move(champion, "2", "run-2", against="1")
    move(champion, "2", "run-2", against="1")
    assert champion.version == "2"


def test_the_version_before_is_the_one_that_acted_before_this_one(champion: Champion):
    for version in ("1", "2", "3"):
        move(champion, version)
    assert champion.version_before(dag_run_id=None) == "2"
    move(champion, "2")
    assert champion.version_before(dag_run_id=None) == "1", "what was rolled back is not gone back to"
    move(champion, "1")
    with pytest.raises(NothingBefore, match="champion=1"):
        champion.version_before(dag_run_id=None)


def test_a_roll_back_that_is_tried_again_does_not_go_back_twice(champion: Champion):
    for version in ("1", "2", "3"):
        move(champion, version)
    for _ in range(2):
        move(champion, champion.version_before(dag_run_id="run-9"), "run-9")
    assert champion.version == "2"


def test_a_dag_run_that_is_done_again_after_others_have_moved_the_alias_moves_nothing(champion: Champion):
    move(champion, "1", "run-1")
    move(champion, "2", "run-2")
    with pytest.raises(MovedBefore, match="dag_run_id=run-1 champion=2 asked=1"):
        move(champion, "1", "run-1")
    with pytest.raises(MovedBefore, match="asked=3"):
        move(champion, "3", "run-2")
    assert champion.version == "2"
    assert champion.ledger.moves(champion.registry.name, CHAMPION) == [(None, "1", "run-1"), ("1", "2", "run-2")]


def test_an_alias_that_was_moved_behind_the_ledgers_back_is_not_guessed_at(champion: Champion):
    for version in ("1", "2"):
        move(champion, version)
    champion.registry.move_alias(CHAMPION, "3")
    with pytest.raises(LedgerContradicted, match="alias=3 ledger=2"):
        champion.version_before(dag_run_id=None)


@pytest.mark.parametrize("version", ["4", "first"])
def test_a_version_that_there_is_not_is_refused_by_its_name(champion: Champion, version: str):
    champion.registry.require("3")
    with pytest.raises(VersionAbsent, match=f"version={version}"):
        champion.registry.require(version)


@pytest.mark.parametrize(
    ("moves", "standing"),
    [
        ("", ""),
        ("1", "1"),
        ("121", "1"),
        ("1213", "13"),
        ("12312", "12"),
    ],
)
def test_moves_that_were_taken_back_do_not_count(moves: str, standing: str):
    assert champions([*pairwise([None, *moves])]) == [*standing]
