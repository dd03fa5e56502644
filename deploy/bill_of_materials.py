"""Give a bill of materials (CycloneDX) the same bytes each time it is written: `uv export ... | bill_of_materials.py sbom.json`.

uv writes the time of the day and a random serial number into it. Both say nothing of what is installed. The time is that of
`SOURCE_DATE_EPOCH` where it is set and left out elsewhere, and the serial number follows from the content.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path


def settled(text: str, epoch: str | None) -> str:
    """Return a bill whose serial number and time follow from what it lists.

    Args:
        text: The bill as uv writes it.
        epoch: Seconds since 1970, as `SOURCE_DATE_EPOCH` gives them.
    """
    bill = json.loads(text)
    bill.pop("serialNumber", None)
    bill["metadata"].pop("timestamp", None)
    if epoch:
        bill["metadata"]["timestamp"] = datetime.fromtimestamp(int(epoch), UTC).isoformat()
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill, sort_keys=True)).urn
    return json.dumps(bill, indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(settled(sys.stdin.read(), os.environ.get("SOURCE_DATE_EPOCH")), encoding="utf-8")
