"""What can go wrong with a cluster; the tree is drawn in :mod:`streamwarden_devstack.cluster`."""


class ClusterError(Exception):
    """The cluster cannot do what was asked; the message says what to do about it."""


class ContextError(ClusterError):
    """The kubeconfig lacks the context that was named, or cannot be read."""


class NoProviderError(ClusterError):
    """There is no way to a cluster here. The message says what each of the three ways lacks."""


class MissingPackagesError(ClusterError):
    """Programs of Debian packages are missing. The message has the command that installs them."""


class CommandFailedError(ClusterError):
    """A program that was started ended with another code than 0. The message shows its last lines."""


class NotReadyError(ClusterError):
    """Something did not come about in its time."""
