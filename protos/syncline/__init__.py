"""The contract of Syncline; see sync.proto."""
