"""What an audio encoder was made with, so that it can be made again without its files."""

from __future__ import annotations

from typing import Any, Self


class RemembersOptions:
    """Keeps the keyword options of the constructor in `options`.

    Checkpoints tell sizes that no recipe names; a run that is read again needs them.
    """

    options: dict[str, Any]

    def __new__(cls, *args: Any, **options: Any) -> Self:
        made = super().__new__(cls)
        # Not an attribute assignment: a network is not ready for these before its own __init__.
        made.__dict__["options"] = options
        return made

    def resources(self) -> dict[str, Any]:
        """Options to make the encoder again and load its state into; files are not needed."""
        return {name: value for name, value in self.options.items() if not _is_file(name)}


def _is_file(option: str) -> bool:
    return option.endswith("_checkpoint")
