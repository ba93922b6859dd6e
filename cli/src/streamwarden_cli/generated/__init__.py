"""Files that are made from the models, so that they cannot lag behind: CRDs and reference pages."""
