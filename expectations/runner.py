"""Runs one suite over one batch, keeps the result and its Data Docs page, and refuses a batch that fails."""

import html
import json
from dataclasses import dataclass
from pathlib import Path

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

from ml.errors import TrailguardError
from ml.files import write_text

PAGES_KEPT = 500  # a suite's newest Data Docs pages; results as JSON are kept for ever


class ExpectationsFailed(TrailguardError):
    """A batch does not meet its expectations, so it is not published.

    Read the failed expectations above or on the Data Docs page, mend the source, then run the stage again.
    """


@dataclass(frozen=True)
class Outcome:
    """What a suite said of a batch.

    failed: one sentence for each expectation that does not hold.
    """

    suite: str
    batch: str
    evaluated: int
    failed: tuple[str, ...]
    result_path: Path
    page_path: Path

    def require(self) -> "Outcome":
        """Returns itself. Raises ExpectationsFailed when an expectation does not hold."""
        if self.failed:
            raise ExpectationsFailed(
                suite=self.suite, batch=self.batch, failed=list(self.failed), page=str(self.page_path)
            )
        return self


def run_suite(suite: gx.ExpectationSuite, rows: pd.DataFrame, *, batch: str, validations: Path, docs: Path) -> Outcome:
    """Validates the rows and writes `validations/<suite>/<batch>.json` and `docs/<suite>/<batch>.html`.

    Running it again for the same batch replaces both files.
    """
    result = _validate(suite, rows)
    result_path = validations / suite.name / f"{batch}.json"
    page_path = docs / suite.name / f"{batch}.html"
    write_text(result_path, json.dumps(result.to_json_dict(), indent=1))
    write_text(page_path, DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result)))
    _drop_old_pages(page_path.parent)
    write_index(docs)
    failed = tuple(_sentence(item) for item in result.results if not item.success)
    return Outcome(suite.name, batch, len(result.results), failed, result_path, page_path)


def _validate(suite: gx.ExpectationSuite, rows: pd.DataFrame) -> ExpectationSuiteValidationResult:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    whole = (
        context.data_sources.add_pandas("batches")
        .add_dataframe_asset(suite.name)
        .add_batch_definition_whole_dataframe("whole")
    )
    definition = gx.ValidationDefinition(name=suite.name, data=whole, suite=context.suites.add(suite))
    return context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": rows}, result_format="SUMMARY"
    )


def _sentence(item: object) -> str:
    config, result = item.expectation_config, item.result
    arguments = {name: value for name, value in config.kwargs.items() if name != "batch_id"}
    seen = {
        name: result[name]
        for name in ("observed_value", "unexpected_count", "unexpected_percent", "partial_unexpected_list", "details")
        if name in result
    }
    raised = item.exception_info.get("exception_message") if "exception_message" in item.exception_info else None
    return f"{config.type} {arguments} saw {raised or seen}"


def write_index(docs: Path) -> None:
    """Writes `docs/index.html`: every kept page, newest batch first, suite by suite."""
    sections = []
    for suite in sorted(path for path in docs.iterdir() if path.is_dir()):
        pages = sorted(suite.glob("*.html"), reverse=True)
        links = "".join(
            f'<li><a href="{suite.name}/{html.escape(p.name)}">{html.escape(p.stem)}</a></li>' for p in pages
        )
        sections.append(f"<h2>{html.escape(suite.name)}</h2><ul>{links}</ul>")
    body = "".join(sections)
    write_text(
        docs / "index.html",
        f'<!doctype html><meta charset="utf-8"><title>Data Docs</title><body style="font-family:sans-serif">'
        f"<h1>Data Docs</h1>{body}</body>",
    )


def _drop_old_pages(folder: Path) -> None:
    pages = sorted(folder.glob("*.html"), key=lambda page: page.stat().st_mtime)
    for page in pages[:-PAGES_KEPT]:
        page.unlink(missing_ok=True)
