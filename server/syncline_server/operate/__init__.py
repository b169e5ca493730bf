"""What an operator does: use cases that the command line calls, and whoever else serves operators.

They take what is open. A process that changes a database beside the server that owns it does so under
`Engines.writing_alone`; the owner itself must not, since it would wait for itself.
"""
