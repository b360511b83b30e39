"""Who may use the console: accounts with roles, sessions, one-time links, passwords and second factors; rows of schema `console`."""
