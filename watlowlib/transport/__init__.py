"""Transports: byte streams in which every call takes limited time."""
