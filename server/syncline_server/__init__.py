"""The Syncline server: rules (sync), databases (store) and gRPC (rpc), wired by app."""
