"""A workspace that means harm: opening it must cost nothing but an answer."""

import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import PMFLOW, started
from lsprotocol import types as lsp

DEEP = 100_000


def hostile(folder):
    (folder / "long.pmflow").write_text("// " + "x" * 10_000_000 + "\n")
    (folder / "deep.pmflow").write_text("fn f() -> int = " + "(" * DEEP + "1" + ")" * DEEP + "\n")
    (folder / "blocks.pmflow").write_text("flow f() {" + "if true {" * DEEP + "}" * DEEP + "}\n")
    (folder / "a.pmflow").write_text('import "./b.pmflow"\nfn a() -> int = b.b()\n')
    (folder / "b.pmflow").write_text('import "./a.pmflow"\nfn b() -> int = a.a()\n')
    (folder / "bidi.pmflow").write_text('flow f() {\n  output "\u202e reversed \u2066"\n}\n')
    (folder / "pipe.pmflow").unlink(missing_ok=True)
    os.mkfifo(folder / "pipe.pmflow")
    os.symlink(folder, folder / "circle")
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.pmflow").write_text("fn secret_outside() -> int = 1\n")
    os.symlink(outside, folder / "away")
    os.symlink(outside / "secret.pmflow", folder / "linked.pmflow")
    (folder / "main.pmflow").write_text(
        'import "./pipe.pmflow"\nimport "./linked.pmflow"\nimport "./away/secret.pmflow"\nflow f() {\n  output 1\n}\n')


@pytest.mark.asyncio
async def test_a_hostile_workspace_is_answered(client, tmp_path):
    folder = tmp_path / "hostile"
    folder.mkdir()
    hostile(folder)
    editor, _ = await started(client, folder)
    for name in ("deep", "blocks", "a", "b", "bidi", "main"):
        editor.open(f"{name}.pmflow", (folder / f"{name}.pmflow").read_text())
    editor.open("long.pmflow", "flow f() { output \"" + "x" * 10_000_000 + "\" }\n")
    codes = {}
    for name in ("long", "deep", "blocks", "a", "b", "bidi", "main"):
        codes[name] = {problem.code for problem in await editor.published(f"{name}.pmflow")}
    assert codes["long"] == {"E0001"}
    assert "E0003" in codes["deep"] and "E0003" in codes["blocks"]
    assert "E0004" in codes["bidi"]
    refused = [d.message for p in editor.history if p.uri.endswith("main.pmflow") for d in p.diagnostics]
    assert len([said for said in refused if "link to a place outside" in said]) == 2, refused
    assert any("not a regular file" in said for said in refused), refused
    symbols = await client.workspace_symbol_async(lsp.WorkspaceSymbolParams(query=""))
    assert "secret_outside" not in [symbol.name for symbol in symbols]
    place = editor.at("deep.pmflow", 0, 90_000)
    await client.text_document_hover_async(lsp.HoverParams(**place))
    await client.text_document_definition_async(lsp.DefinitionParams(**place))
    await client.text_document_folding_range_async(lsp.FoldingRangeParams(text_document=place["text_document"]))


def test_opening_it_neither_speaks_nor_starts_nor_follows(tmp_path):
    assert shutil.which("strace"), "strace is needed to watch the server; ./test installs it"
    folder = tmp_path / "hostile"
    folder.mkdir()
    hostile(folder)
    log = tmp_path / "calls"
    requests = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize",
         "params": {"processId": None, "rootUri": folder.as_uri(), "capabilities": {}}},
        {"jsonrpc": "2.0", "method": "initialized", "params": {}},
        {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": {
            "uri": (folder / "main.pmflow").as_uri(), "languageId": "pmflow", "version": 1,
            "text": (folder / "main.pmflow").read_text()}}},
        {"jsonrpc": "2.0", "id": 2, "method": "workspace/diagnostic", "params": {"previousResultIds": []}},
        {"jsonrpc": "2.0", "id": 3, "method": "shutdown"},
        {"jsonrpc": "2.0", "method": "exit"},
    ]
    bodies = [json.dumps(request) for request in requests]
    sent = "".join(f"Content-Length: {len(body.encode())}\r\n\r\n{body}" for body in bodies)
    traced = ["strace", "-f", "-o", str(log), "-e", "trace=network,process,openat,open", PMFLOW, "lsp"]
    done = subprocess.run(traced, input=sent, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert '"id":2' in done.stdout
    calls = log.read_text()
    started_processes = re.findall(r"execve\(", calls)
    assert len(started_processes) == 1, "the server itself and nothing else"
    assert not re.search(r"\b(vfork|fork)\(", calls)
    talked = [line for line in calls.splitlines() if re.search(r"\b(connect|bind|listen|sendto)\(", line)]
    assert talked == []
    opened = re.findall(r'open(?:at)?\([^"]*"([^"]*)"', calls)
    assert not [path for path in opened if "secret.pmflow" in path or path.endswith(("linked.pmflow", "pipe.pmflow", "away"))]
