"""What a province builds its own client on, one folder a language; `make clients` packs each into dist/clients.

python/  a wheel of `adapters/kit/client.py` and all that it needs, under the name chuanyu_client, with the stubs
java/    sources, the .proto files and a Maven build file
node/    an npm package with the .proto files

Each has a credential helper, a durable outbox that numbers, a sender that resumes, a subscriber, and `first_event`, which is tried
against a hub by tests/adapters/test_clients.py. The outbox files of Node and Java are of one format (docs/clients.md).
"""
