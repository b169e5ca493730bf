"""The command line, `syncline …`: the one root that knows the server, the bridge, the client and the verifier."""
