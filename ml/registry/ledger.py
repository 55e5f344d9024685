"""The promotion ledger: who moved which alias from which version to which, why, with which gate results."""

import json
from dataclasses import dataclass
from typing import NamedTuple

from psycopg2 import errors

from ml.errors import ExitCode, TrailguardError
from ml.postgres import insert_row, transaction


class Move(NamedTuple):
    """What the ledger tells of a move of an alias. before: None where the alias pointed nowhere."""

    before: str | None
    to: str
    dag_run_id: str | None


@dataclass(frozen=True)
class Promotion:
    """One move of an alias. from_version: None where the alias pointed nowhere before."""

    model_name: str
    alias: str
    from_version: str | None
    to_version: str
    decided_by: str
    reason: str
    gate_results: list[dict]
    dag_run_id: str | None


class PromotionNotAllowed(TrailguardError):
    """This account of the database may not record promotions, so no alias was moved.

    Run the stage as the promoter: `eval "$(python -m infra.local env --account promoter)"`.
    """

    exit_code = ExitCode.USAGE


class PromotionLedger:
    """Meets the append-only table promotion_ledger as trailguard_promoter.

    Args:
        url: address of the trailguard database, libpq's or SQLAlchemy's.
    """

    def __init__(self, url: str):
        self.url = url

    def record(self, promotion: Promotion) -> None:
        """Appends one row; the same DAG run's second attempt appends nothing. Raises PromotionNotAllowed."""
        facts = vars(promotion) | {"gate_results": json.dumps(promotion.gate_results)}
        try:
            with transaction(self.url) as rows:
                insert_row(rows, "promotion_ledger", facts, "ON CONFLICT DO NOTHING")
        except errors.InsufficientPrivilege:
            raise PromotionNotAllowed(model=promotion.model_name) from None

    def moves(self, model_name: str, alias: str) -> list[Move]:
        """Every move of the alias, the first one first."""
        query = (
            "SELECT from_version, to_version, dag_run_id FROM promotion_ledger WHERE model_name = %s AND alias = %s "
            "ORDER BY promotion_id"
        )
        with transaction(self.url) as rows:
            rows.execute(query, [model_name, alias])
            return [Move(*row) for row in rows.fetchall()]
