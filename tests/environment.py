"""What gRPC reads from the environment when it is imported; so this is imported before it."""

import os

# A PostgreSQL cluster is started as another user, and so by a fork: gRPC would stop and start its threads around it,
# in the middle of whatever its connections are doing.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
