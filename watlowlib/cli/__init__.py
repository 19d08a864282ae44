"""The `watlowlib` command: one module per subcommand, and `main`, which runs them."""
