"""Reminders before a qualification lapses: planned once each, listed, and sent by webhook and e-mail."""
