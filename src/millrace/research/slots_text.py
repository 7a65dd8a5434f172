"""A run's report for a terminal: with rich when it is there, as plain lines when it is not.

Both show the same tables in the same order; only the drawing differs, so nothing depends on an optional package.
"""

from importlib.util import find_spec
from io import StringIO

from millrace.research.slots_report import SlotsRunReport
from millrace.research.slots_tables import notes, tables, title

_WIDTH = 100


def report_text(report: SlotsRunReport, *, width: int = _WIDTH, color: bool = False) -> str:
    """Return the report as text of this width; with rich when it is installed, plain otherwise."""
    drawn = _rich(report, width, color=color) if find_spec("rich") else _plain_text(report)
    for heading, lines in notes(report):
        drawn += "\n".join([heading, *(f"  - {line}" for line in lines)]) + "\n\n"
    return drawn + f"command hash {report.totals.command_hash}\n"


def _plain_text(report: SlotsRunReport) -> str:
    lines = [title(report), ""]
    for table in tables(report):
        grid = [table.columns, *table.rows]
        widths = [max(len(row[place]) for row in grid) for place in range(len(table.columns))]
        lines.append(table.title)
        lines += [
            "  " + "  ".join(cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row))
            for row in grid
        ]
        lines.append("")
    return "\n".join(lines) + "\n"


def _rich(report: SlotsRunReport, width: int, *, color: bool) -> str:
    from rich.console import Console  # noqa: PLC0415  rich is optional
    from rich.table import Table as RichTable  # noqa: PLC0415

    out = StringIO()
    console = Console(file=out, width=width, force_terminal=color, highlight=False, emoji=False, markup=False)
    console.print(title(report))
    for table in tables(report):
        drawn = RichTable(title=table.title, title_justify="left")
        for place, name in enumerate(table.columns):
            drawn.add_column(name, justify="left" if place == 0 else "right", overflow="fold")
        for row in table.rows:
            drawn.add_row(*row)
        console.print(drawn)
    return out.getvalue() + "\n"
