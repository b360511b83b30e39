"""`hub protos`: the contract as one archive that compiles as it is, or as a page to read, for a province that writes its own client."""

import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from hub.commands.pages.contract import folder
from hub.commands.pages.reference import page

_EPOCH = (1980, 1, 1, 0, 0, 0)
_README = """Chuanyu exchange hub, {version}: the contract, with every .proto file that it imports.
川渝社保卡“一卡通”互通枢纽 {version}：接口契约（含其引用的全部 .proto 文件）。

This folder is the one include path; no other file is needed:

  mkdir -p OUT
  protoc -I . --java_out=OUT $(find chuanyu buf google/rpc -name '*.proto')
  python -m grpc_tools.protoc -I . --python_out=OUT --grpc_python_out=OUT $(find chuanyu buf google/rpc -name '*.proto')
  Node.js: protoLoader.loadSync('chuanyu/exchange/v1/feed_service.proto', {{ includeDirs: ['.'] }})
  Go, C#, …: the same include path with the plugin of the language.

chuanyu/   the hub's services and events / 枢纽的服务与事件
buf/       annotations of the rules of shape, for readers and validators / 字段规则注解
google/    standard types and error details / 标准类型与错误详情
"""


def protos(
    out: Annotated[
        Path | None, typer.Option(help="写入的 zip 文件，默认 chuanyu-protos.zip。The zip file to write, else chuanyu-protos.zip.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="写入接口参考，一个网页文件。Write the reference of the API, one HTML file.")
    ] = None,
) -> None:
    """导出接口契约：.proto 文件及其全部依赖，解开即可编译。Write the contract: all .proto files, ready to compile."""
    if out is not None or reference is None:
        _write(out or Path("chuanyu-protos.zip"), write_archive, "个文件 files")
    if reference is not None:
        _write(reference, lambda file: file.write_text(page(), encoding="utf-8"), "字 characters")


def _write(file: Path, write: Callable[[Path], int], what: str) -> None:
    try:
        typer.echo(f"{file}: {write(file)} {what}")
    except OSError as error:
        typer.echo(f"✗ 无法写入 cannot be written: {file}: {error.strerror}", err=True)
        raise typer.Exit(1) from None


def write_archive(out: Path) -> int:
    """Writes the archive, the same bytes for the same contract, and returns how many .proto files it has."""
    contract = folder()
    files = sorted(contract.rglob("*.proto"))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        said = _README.format(version=metadata.version("chuanyu-exchange-hub"))
        archive.writestr(zipfile.ZipInfo("README.txt", _EPOCH), said, zipfile.ZIP_DEFLATED)
        for file in files:
            name = zipfile.ZipInfo(file.relative_to(contract).as_posix(), _EPOCH)
            archive.writestr(name, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return len(files)
