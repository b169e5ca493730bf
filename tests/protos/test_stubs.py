"""Stubs for native clients: the template makes them, with the plugins that this machine has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PLUGINS = yaml.safe_load((ROOT / "protos/buf.gen.yaml").read_text(encoding="utf-8"))["plugins"]
MADE = {
    "protoc-gen-go": "go/syncline/v1/sync.pb.go",
    "protoc-gen-go-grpc": "go/syncline/v1/sync_grpc.pb.go",
    "java": "java/syncline/v1/PushRequest.java",
    "grpc_java_plugin": "java/syncline/v1/SyncServiceGrpc.java",
    "csharp": "csharp/V1/Sync.cs",
    "grpc_csharp_plugin": "csharp/V1/SyncGrpc.cs",
    "protoc-gen-swift": "swift/syncline/v1/sync.pb.swift",
    "protoc-gen-grpc-swift": "swift/syncline/v1/sync.grpc.swift",
    "php": "php/Syncline/V1/PushRequest.php",
    "grpc_php_plugin": "php/Syncline/V1/SyncServiceClient.php",
    "ruby": "ruby/syncline/v1/sync_pb.rb",
    "grpc_ruby_plugin": "ruby/syncline/v1/sync_services_pb.rb",
}


def name_of(plugin: dict[str, Any]) -> str:
    return plugin.get("local") or plugin["protoc_builtin"]


@pytest.mark.parametrize("plugin", PLUGINS, ids=name_of)
def test_the_template_makes_stubs(plugin: dict[str, Any], tmp_path: Path):
    program = plugin.get("local") or "protoc"
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    template = tmp_path / "one.yaml"
    template.write_text(yaml.safe_dump({"version": "v2", "plugins": [plugin]}), encoding="utf-8")
    command = [BIN / "buf", "generate", "--template", template, "--output", tmp_path]
    made = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "gen" / MADE[name_of(plugin)]).is_file(), sorted(map(str, tmp_path.rglob("*")))
