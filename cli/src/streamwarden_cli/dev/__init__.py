"""The command ``streamwarden dev``: a whole governed loop from a folder of manifests."""
