"""Byte pipes with a deadline in every call."""
