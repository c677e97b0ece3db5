"""Parts of bench/engines.py."""
