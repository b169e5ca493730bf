"""Checks the claim that nothing is lost: a recorded history, the checks of it, and a load to record one from."""
