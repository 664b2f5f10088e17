"""What else could explain it: hidden confounding and outcomes that cannot have changed."""
