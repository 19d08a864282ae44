"""Parquet files, written through a journal that survives a crash: `ParquetSink`."""

from watlowlib.sinks.parquet.sink import ParquetSink

__all__ = ["ParquetSink"]
