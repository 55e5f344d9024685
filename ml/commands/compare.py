"""The stage that compares models on the lake, so that training can take the winner."""

import typer

from ml.commands.stage import AsOf, Seed, new_app, stage
from ml.commands.trained import comparison_folder, load_snapshot
from ml.settings import settings

app = new_app()


@stage(app)
def compare_models(as_of: AsOf, seed: Seed = 0) -> dict:
    """Compare models on what was known then, judged on the newest matured users; `fit-model --architecture winner`
    trains the one that wins."""
    from ml.commands.ingest import descriptor
    from ml.comparison.compare import compare
    from ml.comparison.derived import derive_protocol
    from ml.comparison.history import History
    from ml.comparison.report import write_report
    from ml.ingest.label_store import LabelStore

    chosen, found, snapshot = settings(), descriptor(), load_snapshot(as_of)
    protocol = derive_protocol(snapshot, seed)
    history = History(
        name=found.name,
        events=chosen.lake / "events",
        labels=LabelStore(chosen.database_url).known_at(snapshot.as_of),
        extras=snapshot.extras,
        label_delay=snapshot.label_delay,
        end=snapshot.as_of,
    )
    written = write_report(comparison_folder(as_of), history, protocol, compare(history, protocol))
    typer.echo("\n".join(written["conclusions"]))
    return {name: written[name] for name in ("winner", "conclusions", "report")}
