"""Streamwarden without Kubernetes: manifests are files, pods are child processes of this one."""
