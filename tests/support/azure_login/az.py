"""An `az` that deploys one template: it creates a revision with the parameters that it gets."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from deploy_action.sandbox.scene import Scene

parser = argparse.ArgumentParser()
parser.add_argument("words", nargs="*")
parser.add_argument("--resource-group", required=True)
parser.add_argument("--template-file", type=Path, required=True)
parser.add_argument("--parameters", nargs="+", required=True)
options = parser.parse_args()
parameters = dict(item.split("=", 1) for item in options.parameters)
scene = Scene(os.environ, Path.cwd(), os.environ["AZ_APP"], options.resource_group)
template = scene.resource()["properties"]["template"]
template["containers"][0]["env"].append({"name": "FROM", "value": options.template_file.name})
template["revisionSuffix"] = parameters["suffix"]
traffic = json.loads(parameters["traffic"])
properties = {"configuration": {"ingress": {"traffic": traffic}}, "template": template}
scene.arm("PATCH", f"/containerApps/{scene.app}", {"properties": properties})
