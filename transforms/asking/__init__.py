"""Asks the teachers: one loop per route, under guard, quota and budget."""
