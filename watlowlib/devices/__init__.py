"""Controllers: sessions, drivers, polls, discovery and procedures."""
