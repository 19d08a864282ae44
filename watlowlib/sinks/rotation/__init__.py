"""Rotation of the file sinks: finished parts, their names, compression and removal.

`policy` parses the options, `names` makes and finds the names of parts, `moving` renames files,
`finisher` compresses and removes parts in a thread, `rotation` decides when a part is finished,
and `sink` is the base class of the sinks that rotate.
"""
