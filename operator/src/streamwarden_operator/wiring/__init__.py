"""Puts the operator together: reconcilers over adapters, the queue that feeds them, and who wakes whom."""
