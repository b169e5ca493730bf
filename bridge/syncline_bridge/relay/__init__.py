"""How calls reach the server many at once: streams that carry them, kept up in the background."""
