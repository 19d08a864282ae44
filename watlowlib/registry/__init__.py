"""What a parameter is, and the tables that say so."""
