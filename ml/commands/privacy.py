"""Stages that tell a user's pseudonym, and that erase a user."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.stage import DagRunId, new_app, stage
from ml.errors import ExitCode, TrailguardError
from ml.settings import settings

if TYPE_CHECKING:
    from ml.ingest.guard import Guard
    from ml.ingest.pseudonyms import Pseudonyms

UserId = Annotated[str, typer.Option(help="As the shop knows the user.")]
DIGEST = re.compile("[0-9a-f]{64}")
app = new_app()


class UserUnclear(TrailguardError):
    """Exactly one of the user's id and digest is needed.

    `python -m ml pseudonym --user-id ...` tells the digest.
    """

    exit_code = ExitCode.USAGE


@stage(app)
def pseudonym(user_id: UserId) -> dict:
    """Tell under which name a user stands in flags, labels and the lake, and the digest by which to erase them."""
    from ml.ingest.guard import digest_of

    name = _name(user_id)
    return {"user_id": name, "user_digest": digest_of(name)}


@stage(app, alone=True)
def erase_user(
    reason: Annotated[str, typer.Option(help="Why, for the record; without the user's name.")],
    requested_by: Annotated[str, typer.Option(help="Who asked for it, for the record.")],
    user_id: UserId = "",
    user_digest: Annotated[str, typer.Option(help="What `pseudonym` tells, where the id must not be seen.")] = "",
    dag_run_id: DagRunId = "",
) -> dict:
    """Erase a user from the lake, labels, flags, reviews and snapshots, and prove it by a search of everything.

    Runs as trailguard_eraser, once no other stage is running; stages that start meanwhile wait.
    """
    from dataclasses import asdict

    from ml.ingest.guard import digest_of
    from ml.privacy.erase import erase_user as erase
    from ml.privacy.files import UserFiles
    from ml.privacy.store import ErasureStore, Request

    if bool(user_id) == bool(user_digest) or not (user_id or DIGEST.fullmatch(user_digest)):
        raise UserUnclear()
    chosen, name = settings(), _name(user_id) if user_id else None
    request = Request(user_digest or digest_of(name), reason, requested_by, dag_run_id or None)
    files = UserFiles(chosen.lake, chosen.data_docs)
    return {"user_digest": request.digest} | asdict(erase(files, ErasureStore(chosen.database_url), request, name))


def load_guard() -> "Guard":
    """What ingestion does with users in this deployment."""
    from ml.ingest.guard import Guard
    from ml.privacy.store import ErasureStore

    url = settings().database_url
    return Guard(_pseudonyms(), ErasureStore(url).erased() if url else frozenset())


def _name(user_id: str) -> str:
    """The one that stands in the lake. Raises PseudonymKeyChanged."""
    from ml.ingest.pseudonyms import require_same_key

    pseudonyms = _pseudonyms()
    require_same_key(settings().lake, pseudonyms)
    return pseudonyms.of(user_id) if pseudonyms else user_id


def _pseudonyms() -> "Pseudonyms | None":
    from ml.ingest.pseudonyms import Pseudonyms

    key = settings().pseudonym_key.get_secret_value()
    return Pseudonyms(key) if key else None
