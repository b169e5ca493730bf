"""Benchmarks: what the service costs beside what its parts cost; see docs/performance.md."""
