"""The stage that compares models on anyone's files, without Airflow or a database."""

from pathlib import Path
from typing import Annotated

import typer

from ml.commands.stage import new_app, stage

app = new_app()


@stage(app)
def evaluate(
    dataset: Annotated[str, typer.Option(help="A shipped dataset's name, a descriptor, or a folder of files.")],
    protocol: Annotated[str, typer.Option(help="A protocol: its shipped name or its path.")],
    out: Annotated[Path, typer.Option(help="Folder for report.json, report.html, predictions and the lake.")],
) -> dict:
    """Compare models under one protocol: trained, judged on users they never saw, with intervals and controls."""
    from ml.comparison.compare import compare
    from ml.comparison.history import read_history
    from ml.comparison.protocol import load_protocol
    from ml.comparison.report import write_report
    from ml.datasets.find import find_dataset

    chosen = load_protocol(protocol)
    history = read_history(find_dataset(dataset), chosen, out / "lake")
    written = write_report(out, history, chosen, compare(history, chosen))
    typer.echo("\n".join(written["conclusions"]))
    return written
