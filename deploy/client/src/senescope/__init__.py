"""Talks to a running senescope daemon."""

from senescope.ingest import Channel, IngestError, Pusher, Scan, Stats

__all__ = ["Channel", "IngestError", "Pusher", "Scan", "Stats"]
