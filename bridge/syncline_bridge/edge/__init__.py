"""HTTP before any dialect: admission, request heads and bodies, event streams, the access log, probes."""
