"""Packs `adapters/kit/client.py` and every module that it needs as chuanyu_client, with the stubs of the .proto files."""

import ast
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REPOSITORY = Path(__file__).resolve().parents[3]
KIT, PACKAGE, FACE = "adapters.kit", "chuanyu_client", "client"


def needed(folder: Path, name: str, found: set[str] | None = None) -> set[str]:
    """Returns the modules of the kit that one of them imports, itself included; raises ValueError for one of elsewhere."""
    found = {name} if found is None else found | {name}
    for node in ast.walk(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(("adapters", "hub")):
            continue
        module = node.module or ""
        for one in [alias.name for alias in node.names] if module == KIT else [module.removeprefix(f"{KIT}.")]:
            if not (folder / f"{one}.py").exists():
                raise ValueError(f"{name}.py imports {module}: a client has only what is in {KIT}")
            if one not in found:
                found |= needed(folder, one, found)
    return found


class ClientOfTheKit(BuildHookInterface[Any]):
    """The hatch hook: runs before the wheel is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Writes the modules under their own name, and names them and the stubs to hatch."""
        kit = REPOSITORY / "adapters" / "kit"
        self._folder = Path(tempfile.mkdtemp(prefix="chuanyu-client-"))
        for name in needed(kit, FACE):
            text = (kit / f"{name}.py").read_text(encoding="utf-8")
            place = self._folder / f"{'__init__' if name == FACE else name}.py"
            place.write_text(re.sub(rf"\b{re.escape(KIT)}\b", PACKAGE, text), encoding="utf-8")
        (self._folder / "py.typed").touch()
        build_data["force_include"] = {
            str(self._folder): PACKAGE,
            str(REPOSITORY / "LICENSE"): f"{PACKAGE}/LICENSE",
            **{str(REPOSITORY / "protos" / "gen" / name): name for name in ("chuanyu", "buf")},
        }

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes what was written."""
        shutil.rmtree(self._folder, ignore_errors=True)
