"""Every service of the contract, by its full name: found by its file's name, so that a new one has no list to be added to."""

import importlib
import pkgutil

import chuanyu.exchange.v1
from google.protobuf.descriptor import ServiceDescriptor

SERVICES: dict[str, ServiceDescriptor] = {
    service.full_name: service
    for found in pkgutil.iter_modules(chuanyu.exchange.v1.__path__)
    if found.name.endswith("_service_pb2")
    for service in importlib.import_module(f"chuanyu.exchange.v1.{found.name}").DESCRIPTOR.services_by_name.values()
}
