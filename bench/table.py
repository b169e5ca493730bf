"""What a run found: a table for people, JSON for machines."""

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.measure import Measured, Row


def lines(row: Row) -> list[str]:
    """Return a row of the table."""
    figure = f"{row.median:.2f}"
    if len(row.figures) > 1:
        figure += f"  [{min(row.figures):.2f}–{max(row.figures):.2f}]"
    if not row.floors:
        return [row.work, f"    {figure} {row.unit}{_verdict(row)}"]
    subject, floor = row.rates()
    rates = f"{subject.figure:,.0f} of {floor.figure:,.0f} {row.unit}{_cpu(subject, floor)}"
    return [row.work, f"    {figure} × {row.floor}{_verdict(row)}; {rates}; load: {row.load}"]


def _cpu(subject: Measured, floor: Measured) -> str:
    """Spell the processor time of a unit of work."""
    if not subject.cpu_us:
        return ""
    return f", {subject.cpu_us:,.0f} {f'of {floor.cpu_us:,.0f} ' if floor.cpu_us else ''}µs of processor time each"


def _verdict(row: Row) -> str:
    if row.wanted is None:
        return ""
    return f"  (wanted {row.wanted}: {'met' if row.wanted.is_met_by(row.median) else 'NOT MET'})"


def as_json(rows: Sequence[Row], minutes: float, busy: float) -> dict[str, Any]:
    """Return a run as JSON."""
    return {
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "processes_a_core_before": round(busy, 2),
        "minutes": round(minutes, 2),
        "rows": [
            {
                "work": row.work,
                "floor": row.floor,
                "wanted": None if row.wanted is None else {"sense": row.wanted.sense, "figure": row.wanted.figure},
                "met": row.wanted is None or row.wanted.is_met_by(row.median),
                "median": row.median,
                "figures": list(row.figures),
                "unit": row.unit,
                "subject": [one.figure for one in row.subject],
                "floors": [one.figure for one in row.floors],
                "cpu_us": [[round(one.cpu_us, 1) for one in turns] for turns in (row.subject, row.floors)],
                "load": row.load,
            }
            for row in rows
        ],
    }


def save(path: Path, found: dict[str, Any]) -> None:
    """Write a run to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
