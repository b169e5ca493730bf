"""What `syncline verify` does: a run on a target, its report, and an exit code."""

import gc
import sys
from collections.abc import Awaitable
from typing import Final

from syncline.certificates import ClientTls
from syncline_verify.doors import Refused, Unanswered, Unreachable
from syncline_verify.kinto_target import KintoTarget
from syncline_verify.report import judged, lines
from syncline_verify.run import Result
from syncline_verify.syncline_target import SynclineTarget

VIOLATED: Final = 1
UNREACHABLE: Final = 2


async def verify_syncline(
    grpc_address: str,
    http_address: str | None,
    tls: ClientTls | None,
    api_key: str,
    seconds: float,
    largest_push: int,
) -> int:
    """Verify a Syncline deployment and print the report; returns the exit code. None as `tls`: in the clear."""
    target = SynclineTarget(grpc_address, http_address, tls, api_key, largest_push)
    return await _run_and_report(target.verify(seconds))


async def verify_kinto(address: str, credentials: str, seconds: float, largest_push: int) -> int:
    """Verify a Kinto server, given user:password, and print the report; returns the exit code."""
    return await _run_and_report(KintoTarget(address, credentials, largest_push).verify(seconds))


async def _run_and_report(verifying: Awaitable[Result]) -> int:
    try:
        result = await verifying
    except Unreachable as error:
        return _report_failure(str(error))
    except (Refused, Unanswered) as error:
        return _report_failure(f"the target stopped to answer: {error}")
    except ExceptionGroup as group:
        ours, others = group.split((Refused, Unanswered))
        if others or ours is None:
            raise
        return _report_failure(f"the target stopped to answer: {ours.exceptions[0]}")
    gc.freeze()  # histories only grow; walking through them would take longer than the checks
    verdicts = judged(result.histories)
    for line in lines(result, verdicts):
        print(line)
    return VIOLATED if any(findings.problems for findings in verdicts.values()) else 0


def _report_failure(why: str) -> int:
    print(f"syncline verify: {why}", file=sys.stderr)
    return UNREACHABLE
