"""Backup of a running stack and its restoration elsewhere."""
