"""The stage that asks for labels: whom an analyst should look at."""

from typing import TYPE_CHECKING, Annotated

import typer

from ml.commands.registered import models_folder, production
from ml.commands.stage import End, Seed, Start, new_app, stage
from ml.contracts.intervals import Interval
from ml.contracts.model_version import ModelVersion
from ml.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa

app = new_app()
ANSWER = """Answer as trailguard_analyst: good with kind none, anomalous with its kind. It becomes a label.
  INSERT INTO review (user_id, interval_start, verdict, kind, reviewer)
  VALUES ('<user>', '{start}', 'good', 'none', '<you>');
What is still open: SELECT * FROM suggested_review ORDER BY interval_start, rank;"""


@stage(app)
def suggest_reviews(
    start: Start,
    end: End,
    count: Annotated[int, typer.Option(min=1, help="Users to suggest at most.")] = 50,
    seed: Seed = 0,
) -> dict:
    """Suggest the users of a scored interval whose label would teach most; nobody who has a label already."""
    from ml.registry.model_registry import CHAMPION
    from ml.reviews.store import SuggestionStore
    from ml.reviews.suggest import find_candidates, suggest
    from ml.scoring.score_lake import ScoreLake
    from ml.scoring.scorer import Scorer
    from ml.sequences.build import Selection, stream_sequences

    chosen, interval = settings(), Interval.parse(start, end)
    registry = production()
    model = ModelVersion(registry.name, registry.version_of(CHAMPION))
    scorer = Scorer.load(registry.fetch(model.version, models_folder()))
    store, lake = SuggestionStore(chosen.database_url), ScoreLake(chosen.lake / "scores")
    candidates = find_candidates(lake.read(interval, model), store.labelled_users())
    users = candidates["user_id"].combine_chunks()
    wanted = Selection(interval.end, scorer.featurizer.window, users=users)
    trails = stream_sequences(chosen.lake / "events", wanted, at_once=chosen.events_at_once)
    suggestions = suggest(scorer, candidates, trails, count, seed=seed)
    store.record(suggestions, interval, model=model)
    path = lake.write_suggestions(interval, model, suggestions)
    _show(suggestions)
    typer.echo(ANSWER.format(start=interval.start.isoformat()))
    why = {row["values"]: row["counts"] for row in suggestions["why"].value_counts().to_pylist()}
    return {
        "version": model.version,
        "candidates": len(users),
        "suggested": suggestions.num_rows,
        "why": why,
        "path": path,
    }


def _show(suggestions: "pa.Table") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("rank", "user", "score", "why")
    for row in suggestions.to_pylist():
        score = "" if row["score"] is None else f"{row['score']:.3f}"
        table.add_row(str(row["rank"]), row["user_id"], score, row["why"])
    Console(markup=False).print(table)
