"""Data Docs: one page for each validated batch and an index, plain HTML that loads nothing from a network."""

import html
import json
from pathlib import Path

from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

from ml.files import write_text

PAGES_KEPT = 500  # a suite's newest pages; results as JSON are kept for ever
SHOWN = ("observed_value", "unexpected_count", "unexpected_percent", "partial_unexpected_list", "details")
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1f2933 }
table { border-collapse: collapse; width: 100% } th { text-align: left; color: #616e7c; font-weight: 600 }
td, th { border-bottom: 1px solid #e4e7eb; padding: .35rem .8rem .35rem 0; vertical-align: top }
code { font-size: .85rem; overflow-wrap: anywhere } .holds { color: #207227 }
.fails { color: #ba2525; font-weight: 600 }
"""


def write_page(docs: Path, suite: str, batch: str, result: ExpectationSuiteValidationResult) -> Path:
    """Writes `docs/<suite>/<batch>.html` and the index, and drops a suite's oldest pages beyond PAGES_KEPT."""
    failing_first = sorted(result.results, key=lambda item: (item.success, item.expectation_config.type))
    rows = "".join(_row(item) for item in failing_first)
    holding = sum(item.success for item in result.results)
    head = "<tr><th></th><th>column</th><th>expectation</th><th>seen</th></tr>"
    path = docs / suite / f"{batch}.html"
    body = f'<p><a href="../index.html">Data Docs</a></p><h1>{html.escape(suite)}</h1><p>{html.escape(batch)}</p>'
    verdict = f"<p>{_mark(result.success)}: {holding} of {len(result.results)} expectations hold.</p>"
    write_text(path, _document(f"{suite} {batch}", f"{body}{verdict}<table>{head}{rows}</table>"))
    _drop_old_pages(path.parent)
    write_index(docs)
    return path


def write_index(docs: Path) -> None:
    """Writes `docs/index.html`: every kept page, newest batch first, suite by suite."""
    sections = []
    for suite in sorted(path for path in docs.iterdir() if path.is_dir()):
        pages = sorted(suite.glob("*.html"), reverse=True)
        links = "".join(f'<li><a href="{suite.name}/{html.escape(p.name)}">{html.escape(p.stem)}</a>' for p in pages)
        sections.append(f"<h2>{html.escape(suite.name)}</h2><ul>{links}</ul>")
    write_text(docs / "index.html", _document("Data Docs", f"<h1>Data Docs</h1>{''.join(sections)}"))


def seen(item: ExpectationValidationResult) -> dict[str, object]:
    """What the expectation met in the batch."""
    if raised := item.exception_info.get("exception_message"):
        return {"exception": raised}
    return {name: item.result[name] for name in SHOWN if name in item.result}


def asked(item: ExpectationValidationResult) -> dict[str, object]:
    """The expectation's arguments."""
    return {name: value for name, value in item.expectation_config.kwargs.items() if name != "batch_id"}


def _row(item: ExpectationValidationResult) -> str:
    arguments = asked(item)
    column = arguments.pop("column", "")
    cells = [_mark(item.success), html.escape(str(column)), f"{item.expectation_config.type} {_code(arguments)}"]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in [*cells, _code(seen(item))])}</tr>"


def _mark(success: bool) -> str:
    return '<span class="holds">holds</span>' if success else '<span class="fails">fails</span>'


def _code(facts: dict[str, object]) -> str:
    told = ", ".join(f"{name} {json.dumps(value, default=str)}" for name, value in facts.items())
    return f"<code>{html.escape(told)}</code>"


def _document(title: str, body: str) -> str:
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _drop_old_pages(folder: Path) -> None:
    pages = sorted(folder.glob("*.html"), key=lambda page: page.stat().st_mtime)
    for page in pages[:-PAGES_KEPT]:
        page.unlink(missing_ok=True)
