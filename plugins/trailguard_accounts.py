"""Whose rights a stage has: a service's environment holds every account's variables, a stage's only its own."""

from collections.abc import Mapping
from enum import StrEnum

from ml.errors import ExitCode, TrailguardError


class Account(StrEnum):
    """Who asks the database and MLflow: the pipeline, which writes everything but promotions; the promoter; the eraser,
    who takes users out of tables and has nothing to do with MLflow."""

    PIPELINE = "pipeline"
    PROMOTER = "promoter"
    ERASER = "eraser"

    @property
    def prefix(self) -> str:
        """What the names of its variables begin with in the environment of a service."""
        return "" if self is Account.PIPELINE else f"{self.upper()}_"


class AccountAbsent(TrailguardError):
    """The environment holds no variables of this account.

    `python -m infra.local up` gives them to its services; elsewhere set them with the prefix named above.
    """

    exit_code = ExitCode.USAGE


def environment_of(account: Account, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables without those of other accounts; the account's own stand under their plain names.

    variables: of a service, which may start stages for every account. Raises AccountAbsent.
    """
    prefixes = tuple(each.prefix for each in Account if each.prefix)
    plain = {name: value for name, value in variables.items() if not name.startswith(prefixes)}
    if not account.prefix:
        return plain
    own = {name.removeprefix(account.prefix): variables[name] for name in variables if name.startswith(account.prefix)}
    if not own:
        raise AccountAbsent(account=account, prefix=account.prefix)
    return plain | own
