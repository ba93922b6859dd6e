"""Policies: the signed log, and how far each revision has come."""
