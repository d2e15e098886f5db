"""Bulk import: tables that forgive Excel, a sealed file store, batches, result files and templates."""
