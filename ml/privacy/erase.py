"""Erases one user from everything that Trailguard keeps, and proves it by looking for them everywhere."""

import logging
from dataclasses import dataclass

from ml.errors import ExitCode, TrailguardError
from ml.privacy.files import Touched, UserFiles
from ml.privacy.store import ErasureStore, Request
from ml.privacy.traces import Traces

log = logging.getLogger(__name__)


class ReasonNamesUser(TrailguardError):
    """The reason, or who asked, names the user, and is kept with the record of the erasure.

    Say it without the id, for example by the number of the request.
    """

    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class Erased:
    """found: whether anything named the user. files, tables: what was done where.

    searched: how many files, values in them and columns of tables were looked at afterwards, without a trace.
    """

    found: bool
    files: dict[str, Touched]
    tables: dict[str, int]
    searched: dict[str, int]


def erase_user(files: UserFiles, store: ErasureStore, request: Request, user_id: str | None) -> Erased:
    """Takes the user out of files and tables; from its first moment on ingestion takes nothing of them in again.

    user_id: None: to be found by the digest. Broken off and run again, it goes on to the same end; each run that comes
    to the tables leaves a row of `erasure`. Raises ReasonNamesUser, PublicationBrokenOff, TraceLeft.
    """
    user_id = user_id or store.find(request.digest) or files.find(request.digest)
    traces = Traces(user_id) if user_id else None
    if traces and traces.words.search(f"{request.reason}\n{request.requested_by}"):
        raise ReasonNamesUser()
    store.ask(request.digest)
    log.info("erasing %s: %s", request.digest, "found" if traces else "nothing names this user")
    touched = files.erase(traces) if traces else {}
    tables = store.erase(request, traces, touched)
    searched = files.search(traces) | {"columns": store.search(traces)} if traces else {}
    return Erased(traces is not None, touched, tables, searched)
