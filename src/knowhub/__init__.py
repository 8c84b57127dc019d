"""The knowledge hub that can prove it has everything."""
