"""Which version acts: moving the alias `champion`, forwards and back, with the ledger as its memory."""

from dataclasses import dataclass

from ml.contracts.model_version import NOBODY
from ml.errors import TrailguardError
from ml.registry.ledger import Promotion, PromotionLedger
from ml.registry.model_registry import CHAMPION, ModelRegistry


class NothingBefore(TrailguardError):
    """The ledger knows of no champion before this one, so there is nothing to roll back to.

    Name a version to move to, or promote another challenger.
    """


class LedgerContradicted(TrailguardError):
    """The alias points at another version than the ledger's newest move says: somebody moved it in MLflow itself.

    Name the version to move to; the ledger then knows again.
    """


class MovedBefore(TrailguardError):
    """This DAG run has moved the alias already, and it was moved since or is to go elsewhere now: nothing is done.

    Trigger a new DAG run, which the ledger can tell from this one.
    """


class GateOutdated(TrailguardError):
    """Another champion acts by now than the one that the gate compared the challenger with, so it is not promoted.

    Clear check_gate, which compares it with the one that acts.
    """


@dataclass(frozen=True)
class Champion:
    """The alias of one registered model and the ledger of its moves."""

    registry: ModelRegistry
    ledger: PromotionLedger

    @property
    def version(self) -> str | None:
        return self.registry.find_version(CHAMPION)

    def move(
        self,
        version: str,
        *,
        decided_by: str,
        reason: str,
        gate_results: list[dict],
        dag_run_id: str | None,
        against: str = "",
    ) -> dict[str, object]:
        """Points the alias at the version. Where it points there already, nothing is written.

        against: the champion that the gate compared it with, NOBODY where there was none; empty asks for nothing.
        Returns what was done: version, moved, from. Raises MovedBefore, GateOutdated, PromotionNotAllowed.
        """
        before = self.version
        if before == version:
            return {"version": version, "moved": False}
        self._require_unmoved(version, dag_run_id)
        if against and against != (before or NOBODY):
            raise GateOutdated(compared_with=against, champion=before)
        # The ledger comes first: a move that dies half-way is finished by the next attempt, and never goes unrecorded.
        self.ledger.record(
            Promotion(
                model_name=self.registry.name,
                alias=CHAMPION,
                from_version=before,
                to_version=version,
                decided_by=decided_by,
                reason=reason,
                gate_results=gate_results,
                dag_run_id=dag_run_id,
            )
        )
        self.registry.move_alias(CHAMPION, version)
        return {"version": version, "moved": True, "from": before}

    def _require_unmoved(self, version: str, dag_run_id: str | None) -> None:
        """The ledger takes one move of a DAG run, and would not tell of another. The newest may have died half-way."""
        moves = self.ledger.moves(self.registry.name, CHAMPION)
        if dag_run_id and dag_run_id in {move.dag_run_id for move in moves} and moves[-1][1:] != (version, dag_run_id):
            raise MovedBefore(dag_run_id=dag_run_id, champion=self.version, asked=version)

    def version_before(self, *, dag_run_id: str | None) -> str:
        """The champion before this one: moves that were rolled back do not count.

        dag_run_id: of a roll-back that may have been under way already; what it began is what it ends.
        Raises NothingBefore, LedgerContradicted.
        """
        moves = self.ledger.moves(self.registry.name, CHAMPION)
        begun = [move.to for move in moves if dag_run_id and move.dag_run_id == dag_run_id]
        if begun:
            return begun[-1]
        standing = champions([(move.before, move.to) for move in moves])
        if standing[-1:] != [self.version]:
            raise LedgerContradicted(alias=self.version, ledger=standing[-1] if standing else None)
        if len(standing) < 2:
            raise NothingBefore(champion=self.version)
        return standing[-2]


def champions(moves: list[tuple[str | None, str]]) -> list[str]:
    """The versions that the alias was moved to, without those it was moved back from; the last one acts.

    moves: from where to where. A move that was recorded and never made does not count: the one after it tells from
    where the alias really went.
    """
    standing: list[str] = []
    for before, version in moves:
        if before in standing:
            del standing[standing.index(before) + 1 :]
        if version in standing:
            del standing[standing.index(version) + 1 :]
        else:
            standing.append(version)
    return standing
