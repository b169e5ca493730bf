"""What bridge and server say to each other and to nobody else; generated from relay.proto."""
