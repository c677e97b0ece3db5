"""Placeholder."""


def tokens(text: str) -> list[str]:
    return text.lower().split()
