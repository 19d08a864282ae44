"""The wire protocols: codecs, requests and replies, and the lock of a port."""
