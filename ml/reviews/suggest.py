"""Whom an analyst should look at, so that the next training learns most: a short list for each scored interval."""

from collections.abc import Iterable
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.scores import Evidence
from ml.reviews.choose import CANDIDATES, choose_users, find_unsure
from ml.scoring.evidence import inputs
from ml.scoring.scorer import Scorer
from ml.sequences.sequences import Sequences

UNLIKE_SHARE = 0.5  # of the list at most is for users whom the model could not judge

SUGGESTIONS = pa.schema(
    [
        pa.field("rank", pa.int32(), nullable=False),  # 1 is the one to begin with
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("score", pa.float64()),  # absent where the model could not judge
        pa.field("why", pa.string(), nullable=False),  # Why
    ]
)


class Why(StrEnum):
    """Why a label of a user would teach something."""

    UNLIKE = "unlike"  # their trail is unlike all that the model knows, so it gave no score
    UNCERTAIN = "uncertain"  # the model is among the least sure of them
    DIVERSE = "diverse"  # the model is less sure of others, who are like somebody on the list


def find_candidates(scores: pa.Table, labelled: pa.Array) -> pa.Table:
    """Those rows of SCORE_SCHEMA whose users may be suggested: nobody with a label; of the users with a score the least
    certain CANDIDATES, and all that were too unlike training to get one."""
    unknown = scores.filter(pc.invert(pc.is_in(scores["user_id"], value_set=labelled)))
    unlike = unknown.filter(pc.equal(unknown["evidence"], Evidence.TOO_UNLIKE))
    scored = unknown.filter(pc.equal(unknown["evidence"], Evidence.SUFFICIENT))
    return pa.concat_tables([unlike, scored.take(pa.array(find_unsure(scored["score"].to_numpy(), CANDIDATES)))])


def suggest(scorer: Scorer, candidates: pa.Table, trails: Iterable[Sequences], count: int, *, seed: int) -> pa.Table:
    """At most `count` of the candidates in SUGGESTIONS.

    Users unlike training come first, the farthest before the others, since somebody must look where no flag can be.
    They fill half of the list at most, unless there are too few others. candidates: from `find_candidates`, whose
    trails these are.
    """
    users, given, far = _describe(scorer, trails)
    rows = candidates.take(pc.index_in(users, value_set=candidates["user_id"].combine_chunks()))
    scored = rows["score"].is_valid().to_numpy()
    unlike, others = np.flatnonzero(~scored), np.flatnonzero(scored)
    unlike = unlike[np.argsort(-far[unlike], kind="stable")]
    unlike = unlike[: max(int(count * UNLIKE_SHARE), count - len(others))]
    probability, wanted = rows["score"].to_numpy()[others], count - len(unlike)
    chosen = choose_users(given[others], probability, wanted, seed=seed)
    unsure = np.isin(chosen, find_unsure(probability, wanted))
    order = np.concatenate([unlike, others[chosen]])
    why = [Why.UNLIKE] * len(unlike) + [Why.UNCERTAIN if one else Why.DIVERSE for one in unsure]
    columns = {"rank": np.arange(1, len(order) + 1), "why": pa.array(why, pa.string())}
    columns |= {name: rows[name].take(pa.array(order)) for name in ("user_id", "score")}
    return pa.table({name: columns[name] for name in SUGGESTIONS.names}).cast(SUGGESTIONS)


def _describe(scorer: Scorer, trails: Iterable[Sequences]) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """user_id, the inputs of each user's last step (users, inputs) and how unlike training they are (users,)."""
    users, given = [], []
    for part in trails:
        steps = scorer.featurizer.transform(part)
        users.append(part.user_ids)
        given.append(inputs(steps, steps.offsets[1:] - 1))
    stacked = np.concatenate(given)
    return pa.concat_arrays(users), stacked, scorer.evidence.distances(stacked)
