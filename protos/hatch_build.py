"""Generates the Python stubs of the .proto files into protos/gen, so that generated code is never committed.

`buf/validate/validate.proto` is in no package as text; it is printed from the descriptor that the protovalidate
wheel carries. Only its structure is printed (messages, fields, extensions): its own annotations serve authors of
rules, not readers of them.
"""

import importlib.resources
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

Field = descriptor_pb2.FieldDescriptorProto
LABELS = {Field.LABEL_OPTIONAL: "optional ", Field.LABEL_REQUIRED: "required ", Field.LABEL_REPEATED: "repeated "}


def _type(field: Field) -> str:
    return field.type_name or Field.Type.Name(field.type).removeprefix("TYPE_").lower()


def _field(field: Field, label: str) -> str:
    return f"{label}{_type(field)} {field.name} = {field.number};"


def _message(message: descriptor_pb2.DescriptorProto) -> str:
    lines = [f"message {message.name} {{"]
    lines += [_enum(enum) for enum in message.enum_type]
    lines += [_message(nested) for nested in message.nested_type]
    lines += [_field(f, LABELS[f.label]) for f in message.field if not f.HasField("oneof_index")]
    for index, oneof in enumerate(message.oneof_decl):
        members = [_field(f, "") for f in message.field if f.HasField("oneof_index") and f.oneof_index == index]
        lines += [f"oneof {oneof.name} {{", *members, "}"]
    lines += [f"extensions {r.start} to {'max' if r.end > 536870911 else r.end - 1};" for r in message.extension_range]
    return "\n".join([*lines, "}"])


def _enum(enum: descriptor_pb2.EnumDescriptorProto) -> str:
    return "\n".join([f"enum {enum.name} {{", *(f"{v.name} = {v.number};" for v in enum.value), "}"])


def print_validate_proto() -> str:
    """Returns the text of buf/validate/validate.proto as far as the compiler needs it."""
    from protovalidate._gen.buf.validate import validate_pb

    file = descriptor_pb2.FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    lines = [
        "// Printed from the descriptor in the protovalidate wheel; Apache-2.0, Buf Technologies, Inc.",
        f'syntax = "{file.syntax or "proto2"}";',
        f"package {file.package};",
    ]
    lines += [f'import "{name}";' for name in file.dependency]
    lines += [_enum(enum) for enum in file.enum_type] + [_message(message) for message in file.message_type]
    for extension in file.extension:
        lines += [f"extend {extension.extendee} {{", _field(extension, LABELS[extension.label]), "}"]
    return "\n".join(lines) + "\n"


def generate(root: Path) -> None:
    """Writes protos/gen below *root*: stubs and type stubs for every .proto file, built aside and then put in place."""
    protos, gen = root / "protos", root / "protos" / "gen"
    fresh = root / "protos" / ".gen-fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    third_party = fresh / "third_party"
    (third_party / "buf" / "validate").mkdir(parents=True)
    (third_party / "buf" / "validate" / "validate.proto").write_text(print_validate_proto())
    status = Path("google/rpc/status.proto")
    (third_party / status.parent).mkdir(parents=True)
    shutil.copy(str(importlib.resources.files("google.rpc") / status.name), third_party / status)
    contract = fresh / "contract"
    shutil.copytree(third_party, contract)
    shutil.copytree(protos / "chuanyu", contract / "chuanyu")
    # The details of a refusal are packed in `google.protobuf.Any`, so no file imports them.
    shutil.copy(str(importlib.resources.files("google.rpc") / "error_details.proto"), contract / "google" / "rpc")
    files = sorted(str(p.relative_to(protos)) for p in (protos / "chuanyu").rglob("*.proto"))
    well_known = str(importlib.resources.files("grpc_tools") / "_proto")
    _complete(contract, Path(well_known))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            "-I",
            str(third_party),
            "-I",
            str(protos),
            "-I",
            well_known,
            # The comments, for the reference of the API.
            f"--descriptor_set_out={contract / 'chuanyu.binpb'}",
            "--include_source_info",
            f"--python_out={fresh}",
            f"--grpc_python_out={fresh}",
            f"--mypy_out=quiet:{fresh}",
            f"--mypy_grpc_out=quiet:{fresh}",
            "buf/validate/validate.proto",
            *files,
        ],
        check=True,
        # The plugins are beside the interpreter, which need not be on PATH.
        env={**os.environ, "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}"},
    )
    shutil.rmtree(gen, ignore_errors=True)
    fresh.rename(gen)


def _complete(contract: Path, well_known: Path) -> None:
    """Adds the standard types that the files of a folder import, so that it compiles as it is."""
    waiting = list(contract.rglob("*.proto"))
    while waiting:
        for name in re.findall(r'^import "(.+)";', waiting.pop().read_text(), re.MULTILINE):
            if not (contract / name).exists():
                (contract / name).parent.mkdir(parents=True, exist_ok=True)
                waiting.append(Path(shutil.copy(well_known / name, contract / name)))


class GenerateStubs(BuildHookInterface[Any]):
    """The hatch hook: runs before every build, the editable one included."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generates the stubs; hatch then puts protos/gen on the path (dev-mode-dirs)."""
        generate(Path(self.root))
        build_data["force_include"] = (
            {}
            if version == "editable"
            else {
                str(Path(self.root) / "protos" / "gen" / name): place
                for name, place in (("chuanyu", "chuanyu"), ("buf", "buf"), ("contract", "hub/contract"))
            }
        )


if __name__ == "__main__":
    generate(Path(__file__).parent.parent)
