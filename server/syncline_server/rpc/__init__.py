"""gRPC: the contract spoken over the rules."""
