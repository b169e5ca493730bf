"""Parts of the composition root that have a file of their own: what app.py would be too long with."""
