"""A few would-be flags that are never acted on: what becomes of them tells how precise flags are."""

import hashlib
import hmac

import pyarrow as pa

from ml.contracts.flags import State

_RANGE = 2**64


def hold_out(decided: pa.Table, *, share: float, key: str) -> pa.Table:
    """What decide_flags chose, with a column `state`: active, or holdout for about that share of the users.

    The hash of the user with the key decides, so a user is held out in every interval or in none, and nobody who does
    not know the key can tell.
    """
    held = [_draw(user, key) < share for user in decided["user_id"].to_pylist()]
    states = [State.HOLDOUT.value if out else State.ACTIVE.value for out in held]
    return decided.append_column("state", pa.array(states, pa.string()))


def _draw(user: str, key: str) -> float:
    """Uniform in [0, 1)."""
    digest = hmac.digest(key.encode(), user.encode(), hashlib.sha256)
    return int.from_bytes(digest[:8], "big") / _RANGE
