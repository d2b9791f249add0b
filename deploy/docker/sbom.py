"""What this image consists of, as CycloneDX on stdout: Debian's packages and the Python packages beside this interpreter.

Read from what is installed, not from what was asked for. Standard library only, so that nothing has to be added to look.
"""

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

OWN = "guilder"


def python_packages() -> Iterator[dict[str, Any]]:
    for found in sorted(importlib.metadata.distributions(), key=lambda each: each.metadata["Name"].lower()):
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        purl = f"pkg:pypi/{name}@{quote(found.version)}"
        licence = found.metadata.get("License-Expression") or ""
        told = {"licenses": [{"expression": licence}]} if licence else {}
        yield {"type": "library", "name": name, "version": found.version, "purl": purl, "bom-ref": purl, **told}


def debian_packages() -> Iterator[dict[str, Any]]:
    if not Path("/var/lib/dpkg/status").exists():
        return
    listed = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package}\t${Version}\t${Architecture}\n"],  # noqa: S607
        capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    for line in sorted(listed.splitlines()):
        name, version, architecture = line.split("\t")
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}"
        yield {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


def bill() -> dict[str, Any]:
    python = list(python_packages())
    own = [each for each in python if each["name"] == OWN]
    interpreter = {
        "type": "platform",
        "name": "python",
        "version": sys.version.split()[0],
        "bom-ref": f"python@{sys.version.split()[0]}",
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**own[0], "type": "container", "bom-ref": OWN}} if own else {},
        "components": [interpreter, *(each for each in python if each["name"] != OWN), *debian_packages()],
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
