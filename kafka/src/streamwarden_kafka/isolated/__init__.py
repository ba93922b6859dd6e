"""A consumer in a process of its own: what a batch does to who decodes it, it does there."""
