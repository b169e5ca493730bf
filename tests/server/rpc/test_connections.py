"""What looks through the descriptors of the process leaves everything but connections alone."""

import fcntl
import subprocess
import sys
from pathlib import Path

from syncline_server.rpc.connections import Connections

TRY_TO_LOCK = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def test_locks_on_files_are_kept(tmp_path: Path):
    """Without its lock, SQLite's WAL is deleted under a server by the next command that closes the database."""
    path = tmp_path / "locked"
    with path.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        Connections(most=100).make_room()
        tried = subprocess.run([sys.executable, "-c", TRY_TO_LOCK, str(path)], capture_output=True, check=False)
    assert b"BlockingIOError" in tried.stderr, "another process could take the lock"
