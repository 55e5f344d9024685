"""Runs one suite over one batch, keeps the result and its Data Docs page, and refuses a batch that fails."""

from dataclasses import dataclass
from pathlib import Path

import great_expectations as gx
import pandas as pd
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

from expectations.pages import asked, seen, write_page
from ml.errors import TrailguardError
from ml.files import write_json
from ml.privacy.traces import NAMES_USERS

EXAMPLES = "partial_unexpected"  # what the names of a result's examples begin with


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
    result = _without_users(_validate(suite, rows))
    result_path = validations / suite.name / f"{batch}.json"
    write_json(result_path, result.to_json_dict())
    page_path = write_page(docs, suite.name, batch, result)
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


def _without_users(result: ExpectationSuiteValidationResult) -> ExpectationSuiteValidationResult:
    """No example of a value that names a user: results and pages are kept for ever, and outlive a user's erasure."""
    for item in result.results:
        arguments = item.expectation_config.kwargs
        columns = [arguments.get("column", ""), *arguments.get("column_list", [])]
        if any(map(NAMES_USERS.search, columns)):
            item.result = {name: told for name, told in item.result.items() if not name.startswith(EXAMPLES)}
    return result


def _sentence(item: ExpectationValidationResult) -> str:
    return f"{item.expectation_config.type} {asked(item)} saw {seen(item)}"
