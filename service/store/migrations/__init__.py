"""Migrations: change stored data to a newer layout, one after the other.

A program works only with data of its own layout (`keys.LAYOUT`); `tagger migrate` reaches it."""

from service.store.migrations.migrate import MIGRATIONS, Migration, Step, migrate, plan_migrations

__all__ = ["MIGRATIONS", "Migration", "Step", "migrate", "plan_migrations"]
