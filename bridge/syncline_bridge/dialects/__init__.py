"""The documented JSON protocols that the bridge speaks, one package each."""
