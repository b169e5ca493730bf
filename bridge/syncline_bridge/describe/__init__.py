"""How the bridge documents itself."""
