"""What ``dev`` and ``watch`` both do with a running loop: figures, rest, programs beside it, and the report."""
