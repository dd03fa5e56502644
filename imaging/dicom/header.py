"""What is asked of a header, whatever holds it: a file, a frame of an enhanced file, an item of a sequence."""

from __future__ import annotations

from typing import Any, Protocol


class Header(Protocol):
    """Values by DICOM keyword, as a pydicom dataset gives them."""

    def get(self, key: str, default: Any = None, /) -> Any:
        """Return a value by keyword; `default` when it is absent.

        Args:
            key: DICOM keyword.
            default: What stands in when it is absent.
        """

    def __contains__(self, name: Any, /) -> bool:
        """Whether a keyword or tag is present."""

    def private_block(self, group: int, private_creator: str, /) -> Any:
        """Return a private block; KeyError without one.

        Args:
            group: Number of the group.
            private_creator: Creator of the block.
        """
