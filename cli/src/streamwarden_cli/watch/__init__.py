"""``streamwarden watch``: what ``dev`` shows of a loop on this machine, of one that runs in a Kubernetes cluster."""
