"""Where samples are kept."""
