"""Many runs at once: what searches and ablations share."""
