"""A real client, pytest-lsp, that speaks to `pmflow lsp` over standard input and output."""

import os
import pathlib

import pytest_lsp
from lsprotocol import types as lsp
from pytest_lsp import ClientServerConfig, LanguageClient

PMFLOW = os.environ["PMFLOW"]


def uri(path):
    return pathlib.Path(path).as_uri()


class Editor:
    """One open workspace."""

    def __init__(self, client: LanguageClient, folder: pathlib.Path):
        self.client = client
        self.folder = folder

    def uri(self, name):
        return name if name.startswith("untitled:") else uri(self.folder / name)

    def open(self, name, text, version=1):
        document = lsp.TextDocumentItem(uri=self.uri(name), language_id="pmflow", version=version, text=text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=document))

    def change(self, name, version, *changes):
        identifier = lsp.VersionedTextDocumentIdentifier(uri=self.uri(name), version=version)
        self.client.text_document_did_change(
            lsp.DidChangeTextDocumentParams(text_document=identifier, content_changes=list(changes))
        )

    def at(self, name, line, character):
        return {
            "text_document": lsp.TextDocumentIdentifier(uri=self.uri(name)),
            "position": lsp.Position(line=line, character=character),
        }

    async def published(self, name, version=None):
        """The problems of a document, once those of the version are there."""
        while True:
            seen = [p for p in self.history if p.uri == self.uri(name)]
            if seen and (version is None or (seen[-1].version or 0) >= version):
                return list(seen[-1].diagnostics)
            await self.client.wait_for_notification(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)

    @property
    def history(self):
        return self.client.log_of_diagnostics


def insert(line, character, text):
    at = lsp.Position(line=line, character=character)
    return lsp.TextDocumentContentChangePartial(range=lsp.Range(start=at, end=at), text=text)


def whole(text):
    return lsp.TextDocumentContentChangeWholeDocument(text=text)


def remember_diagnostics(client):
    """Every publish in its order; the client itself keeps the last one only."""
    client.log_of_diagnostics = []
    client.protocol.fm.features.pop(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, None)

    @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def published(_: LanguageClient, params: lsp.PublishDiagnosticsParams):
        client.log_of_diagnostics.append(params)


async def started(client, folder, **capabilities):
    remember_diagnostics(client)
    parameters = lsp.InitializeParams(
        process_id=None,
        capabilities=lsp.ClientCapabilities(**capabilities),
        workspace_folders=[lsp.WorkspaceFolder(uri=uri(folder), name="workspace")],
        root_uri=uri(folder),
    )
    result = await client.initialize_session(parameters)
    return Editor(client, pathlib.Path(folder)), result


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[PMFLOW, "lsp"]))
async def client(lsp_client: LanguageClient):
    yield
    await lsp_client.shutdown_session()
