"""A task definition with another image: reads `aws ecs describe-task-definition`, writes what `register-task-definition` takes.

    render.py REPOSITORY@sha256:…  <described.json  >registered.json

Only containers of this repository are changed: a collector beside ours keeps its own image. Standard library only.
"""

import json
import re
import sys
from typing import Any

# What AWS says of a definition and does not want to hear again.
_SAID = (
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
)


def rendered(definition: dict[str, Any], image: str) -> dict[str, Any]:
    """Return the definition with `image` for every container of its repository.

    :raises ValueError: there is none
    """
    containers = [
        {**each, "image": image} if _repository(each["image"]) == _repository(image) else each
        for each in definition["containerDefinitions"]
    ]
    if not any(each["image"] == image for each in containers):
        raise ValueError(f"no container of {definition.get('family')} has an image of {_repository(image)}")
    return {name: value for name, value in definition.items() if name not in _SAID} | {
        "containerDefinitions": containers
    }


def _repository(image: str) -> str:
    """Return an image's name without its tag or digest; a registry's port stays."""
    return re.sub(r":[^:/]+$", "", image.partition("@")[0])


if __name__ == "__main__":
    json.dump(rendered(json.load(sys.stdin), sys.argv[1]), sys.stdout)
