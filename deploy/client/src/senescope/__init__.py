"""Talks to a running senescope daemon."""

from senescope.background import BackgroundPusher
from senescope.ingest import Channel, IngestError, Pusher, Scan, Stats

__all__ = ["BackgroundPusher", "Channel", "IngestError", "Pusher", "Scan", "Stats"]
