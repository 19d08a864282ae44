"""The `watlowlib` command: one file a subcommand, and `main` that chooses."""
