"""Handles and background recordings for `watlowlib.labview`."""
