"""Tests of the recipe; they need no trained member and run in seconds."""
