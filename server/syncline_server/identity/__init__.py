"""Who is calling: project keys, session tokens, tickets, scopes, and how many calls a caller may make."""
