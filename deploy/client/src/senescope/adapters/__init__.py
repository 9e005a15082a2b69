"""From where images come to the daemon: one module a source. None imports the source's package."""
