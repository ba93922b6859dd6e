"""The command ``streamwarden validate``: all that is wrong with a folder of manifests, said without a cluster."""
