"""Sinks: files, databases and lists that store samples."""
