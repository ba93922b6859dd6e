"""What can go wrong with the stack; the tree is drawn in :mod:`streamwarden_devstack.stack`."""


class StackError(Exception):
    """The stack cannot do what was asked; the message says what to do about it."""


class DownloadError(StackError):
    """A locked file is missing from the cache and cannot be fetched, or is not what the lock says."""


class ServiceFailedError(StackError):
    """A server of the stack ended, or did not answer in time. The message shows its log's last lines."""
