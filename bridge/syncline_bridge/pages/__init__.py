"""What people see in a browser: what this server is, its documentation, the demo. All of it comes from the wheel."""
