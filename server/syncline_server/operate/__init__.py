"""What an operator does: use cases that the command line calls, and whoever else serves operators.

They take what is open. A process that changes a database beside the server that owns it does so under
`Engines.writing_alone`, and so may the owner itself; those who ask at once take turns.
"""
