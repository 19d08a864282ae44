"""Transports: byte streams with a deadline in every call."""
