"""A sink for Parquet files, with a journal that survives a crash: `ParquetSink`."""

from watlowlib.sinks.parquet.sink import ParquetSink

__all__ = ["ParquetSink"]
