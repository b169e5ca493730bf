"""What a run came to, as text: a table of the checks, and figures."""

from collections.abc import Iterator, Sequence
from typing import Final

from syncline_verify.checks import CHECKS, Findings, Kind, Problem, summary
from syncline_verify.history import RunHistory
from syncline_verify.run import Result

_SHOWN_CHARACTERS: Final = 300
"""How much of a problem is shown on its line."""


def judged(histories: Sequence[RunHistory]) -> dict[Kind, Findings]:
    """Run every check over all histories."""
    verdicts: dict[Kind, Findings] = {}
    for kind, check in CHECKS.items():
        found = [check(history) for history in histories]
        problems = [problem for one in found for problem in one.problems]
        verdicts[kind] = Findings(sum(one.examined for one in found), problems)
    return verdicts


def lines(result: Result, verdicts: dict[Kind, Findings]) -> Iterator[str]:
    """Yield the report, line by line."""
    yield f"{'check':<20}{'looked at':>12}{'violations':>12}  verdict"
    for kind, (examined, problems) in verdicts.items():
        verdict = "VIOLATED" if problems else "holds" if examined else "not exercised"
        yield f"{kind:<20}{examined:>12,}{len(problems):>12,}  {verdict}"
    yield ""
    for name, value in _figures(result):
        yield f"{name:<32}{value:>12}"
    yield from ("", *result.notes)
    wrong: list[Problem] = [problem for findings in verdicts.values() for problem in findings.problems]
    if wrong:
        yield from ("", *(line[:_SHOWN_CHARACTERS] for line in summary(wrong).splitlines()))


def _figures(result: Result) -> Iterator[tuple[str, str]]:
    acknowledged = result.figures["changes acknowledged"]
    yield "seconds of writing", f"{result.seconds:.1f}"
    yield "changes acknowledged", f"{acknowledged:,}"
    yield "changes acknowledged a second", f"{acknowledged / max(result.seconds, 0.001):,.0f}"
    yield "readers", f"{sum(len(history.readers) for history in result.histories):,}"
    for name, count in sorted(result.figures.items()):
        if name != "changes acknowledged":
            yield name, f"{count:,}"
