"""Parameter specifications, and the tables that define them."""
