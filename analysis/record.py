"""The record of a run."""

from nasmon.record import Cost, LayerRecord, Owner, Rebuild, Record, Segments, read_record

__all__ = ["Cost", "LayerRecord", "Owner", "Rebuild", "Record", "Segments", "read_record"]
