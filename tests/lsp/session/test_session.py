"""What a protocol session must keep, whatever the language is."""

import asyncio
import json
import os
import pathlib
import subprocess

import pytest
from conftest import PMFLOW, insert, started, whole
from lsprotocol import types as lsp

FLOW = "flow f(x: int) {\n  output x\n}\n"
WRONG = "flow f(x: int) {\n  output wrng\n}\n"
PREVIEWED = """\
type Lead {
  name:  text(max 20 tokens)
  notes: text(max 50 tokens)?
}

prompt judge(lead: Lead) -> int(1..10) {
  model:      "openai/gpt-6-luna"
  max_input:  300 tokens
  max_output: 100 tokens
  user:       "Judge {{ lead.name }}.{{ if lead.notes }} Notes: {{ lead.notes }}{{ end }}"
}

flow judged(leads: [Lead](max 5)) {
  for lead in leads key lead.name {
    let score = judge(lead)
    output score
  }
}

test "Ada" {
  given judge = 9
  run judged([{ name: "Ada Lovelace", notes: "first" }, { name: "Bob" }])
  expect outputs.len() == 2
}

test "nobody's notes" {
  given judge = 1
  run judged([{ name: "Bob" }])
  expect outputs.len() == 1
}
"""
EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"


@pytest.mark.asyncio
async def test_problems_follow_the_edits(client, tmp_path):
    editor, _ = await started(client, tmp_path)
    editor.open("a.pmflow", FLOW)
    assert await editor.published("a.pmflow", 1) == []
    editor.change("a.pmflow", 2, insert(1, 10, "y"))
    problems = await editor.published("a.pmflow", 2)
    assert [problem.code for problem in problems if problem.severity == lsp.DiagnosticSeverity.Error] == ["E0101"]
    assert problems[-1].code_description.href.endswith(str(problems[-1].code))
    editor.change("a.pmflow", 3, lsp.TextDocumentContentChangePartial(
        range=lsp.Range(start=lsp.Position(line=1, character=10), end=lsp.Position(line=1, character=11)), text=""))
    assert await editor.published("a.pmflow", 3) == []


@pytest.mark.asyncio
async def test_a_file_that_imports_an_edited_one_is_judged_again(client, tmp_path):
    (tmp_path / "shared.pmflow").write_text("fn one() -> int = 1\n")
    editor, _ = await started(client, tmp_path)
    editor.open("main.pmflow", 'import "./shared.pmflow"\n\nflow f() {\n  output shared.one()\n}\n')
    assert await editor.published("main.pmflow") == []
    editor.open("shared.pmflow", "fn one() -> int = 1\n")
    await editor.published("shared.pmflow")
    before = len(editor.history)
    editor.change("shared.pmflow", 2, whole("fn two() -> int = 2\n"))
    while not any(p.uri == editor.uri("main.pmflow") and p.diagnostics for p in editor.history[before:]):
        await client.wait_for_notification(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)


@pytest.mark.asyncio
async def test_a_request_behind_a_burst_is_answered_from_its_end(client, tmp_path):
    # How often a burst is published depends on how fast it comes: the queue's own tests and the bench count that.
    editor, _ = await started(client, tmp_path)
    editor.open("a.pmflow", FLOW)
    await editor.published("a.pmflow", 1)
    for version in range(2, 22):
        editor.change("a.pmflow", version, insert(0, 7, "y"))
    hover = await client.text_document_hover_async(lsp.HoverParams(**editor.at("a.pmflow", 0, 7)))
    assert f"{'y' * 20}x: int" in hover.contents.value
    problems = await editor.published("a.pmflow", 21)
    assert "E0101" in [problem.code for problem in problems]


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_columns_right_of_wide_characters(client, tmp_path, encoding):
    general = lsp.GeneralClientCapabilities(position_encodings=[lsp.PositionEncodingKind(encoding)])
    editor, result = await started(client, tmp_path, general=general)
    assert result.capabilities.position_encoding == encoding
    line = '  output { text: "日本語日本😀", wrong: '
    editor.open("a.pmflow", f"flow f() {{\n{line}wrng }}\n}}\n")
    problem = (await editor.published("a.pmflow"))[0]
    units = {"utf-8": len(line.encode()), "utf-16": len(line.encode("utf-16-le")) // 2, "utf-32": len(line)}
    assert problem.range.start == lsp.Position(line=1, character=units[encoding])
    editor.change("a.pmflow", 2, insert(1, units[encoding], "very_"))
    problem = (await editor.published("a.pmflow", 2))[0]
    assert "very_wrng" in problem.message


@pytest.mark.asyncio
async def test_every_request_is_answered_once_and_unknown_ones_refused(client, tmp_path):
    editor, _ = await started(client, tmp_path)
    editor.open("a.pmflow", FLOW)
    with pytest.raises(Exception) as refused:
        await client.protocol.send_request_async("textDocument/noSuchThing", {})
    assert refused.value.code == -32601
    ask = [client.text_document_hover_async(lsp.HoverParams(**editor.at("a.pmflow", 0, 7))) for _ in range(200)]
    assert len([answer for answer in await asyncio.gather(*ask) if answer]) == 200


@pytest.mark.asyncio
async def test_a_request_that_an_edit_overtook_is_not_answered_from_the_old_text(client, tmp_path):
    editor, _ = await started(client, tmp_path)
    editor.open("a.pmflow", FLOW)
    await editor.published("a.pmflow")
    answers = []
    for version in range(2, 42):
        document = lsp.TextDocumentIdentifier(uri=editor.uri("a.pmflow"))
        request = client.text_document_document_symbol_async(lsp.DocumentSymbolParams(text_document=document))
        answers.append(asyncio.ensure_future(request))
        await asyncio.sleep(0)
        editor.change("a.pmflow", version, whole(FLOW.replace("flow f", f"flow f{version}")))
    found = await asyncio.gather(*answers, return_exceptions=True)
    for version, answer in enumerate(found, start=1):
        if isinstance(answer, Exception):
            assert answer.code == -32801
        else:
            assert answer[0].name == ("f" if version == 1 else f"f{version}")


@pytest.mark.asyncio
async def test_several_folders_files_outside_and_unsaved_ones(client, tmp_path):
    for folder in ("one", "two", "outside"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "shared.pmflow").write_text(f"fn {folder}() -> int = 1\n")
    editor, _ = await started(client, tmp_path / "one")
    added = lsp.WorkspaceFolder(uri=(tmp_path / "two").as_uri(), name="two")
    client.workspace_did_change_workspace_folders(lsp.DidChangeWorkspaceFoldersParams(
        event=lsp.WorkspaceFoldersChangeEvent(added=[added], removed=[])))
    found = await client.workspace_symbol_async(lsp.WorkspaceSymbolParams(query=""))
    assert sorted(symbol.name for symbol in found) == ["one", "two"]
    editor.open("../outside/main.pmflow", 'import "./shared.pmflow"\n\nflow f() {\n  output shared.outside()\n}\n')
    unsaved = lsp.TextDocumentItem(uri="untitled:Untitled-1", language_id="pmflow", version=1, text=WRONG)
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=unsaved))
    assert await editor.published("../outside/main.pmflow") == []
    assert any("wrng" in problem.message for problem in await editor.published(unsaved.uri))


@pytest.mark.asyncio
async def test_pulled_problems_and_their_change(client, tmp_path):
    editor, _ = await started(client, tmp_path)
    editor.open("a.pmflow", WRONG)
    document = lsp.TextDocumentIdentifier(uri=editor.uri("a.pmflow"))
    first = await client.text_document_diagnostic_async(lsp.DocumentDiagnosticParams(text_document=document))
    assert "E0101" in [item.code for item in first.items]
    again = await client.text_document_diagnostic_async(
        lsp.DocumentDiagnosticParams(text_document=document, previous_result_id=first.result_id))
    assert again.kind == "unchanged"
    everything = await client.workspace_diagnostic_async(lsp.WorkspaceDiagnosticParams(previous_result_ids=[]))
    assert [report.uri for report in everything.items] == [editor.uri("a.pmflow")]


@pytest.mark.asyncio
async def test_colours_change_by_a_delta(client, tmp_path):
    editor, _ = await started(client, tmp_path)
    editor.open("a.pmflow", FLOW)
    document = lsp.TextDocumentIdentifier(uri=editor.uri("a.pmflow"))
    full = await client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(text_document=document))
    editor.change("a.pmflow", 2, insert(1, 10, " + 1"))
    delta = await client.text_document_semantic_tokens_full_delta_async(
        lsp.SemanticTokensDeltaParams(text_document=document, previous_result_id=full.result_id))
    data = list(full.data)
    for edit in delta.edits:
        data[edit.start:edit.start + edit.delete_count] = edit.data or []
    after = await client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(text_document=document))
    assert data == list(after.data)


@pytest.mark.asyncio
async def test_examples_have_the_problems_of_the_command(client, tmp_path):
    editor, _ = await started(client, EXAMPLES)
    for path in sorted(EXAMPLES.glob("*/*.pmflow")):
        name = str(path.relative_to(EXAMPLES))
        text = path.read_text()
        editor.open(name, text)
        editor.change(name, 2, whole(text.replace("output", "outptu", 1)))
        editor.change(name, 3, whole(text))
        found = await editor.published(name, 3)
        checked = subprocess.run([PMFLOW, "check", "--format", "json", path], capture_output=True, text=True, check=False)
        wanted = [problem["code"] for problem in json.loads(checked.stdout)["problems"]
                  if os.path.samefile(problem["span"]["file"] if "span" in problem else problem["file"], path)]
        assert [problem.code for problem in found] == wanted, name


@pytest.mark.asyncio
async def test_a_preview_has_the_values_of_a_test(client, tmp_path):
    editor, _ = await started(client, tmp_path)
    editor.open("a.pmflow", PREVIEWED)

    async def preview(*arguments):
        answer = await client.workspace_execute_command_async(lsp.ExecuteCommandParams(
            command="pmflow.previewPrompt", arguments=[editor.uri("a.pmflow"), *arguments]))
        return answer["text"] if isinstance(answer, dict) else answer.text

    first = await preview("judge")
    assert 'With the values of the test "Ada":' in first and "Ada Lovelace" in first
    assert "| `{{ lead.name }}` |" in first, first
    second = await preview("judge", "nobody's notes")
    assert "Bob" in second and "sample" not in second
    with pytest.raises(Exception) as refused:
        await preview("judge", "no such test")
    assert "no such test" in str(refused.value)


@pytest.mark.asyncio
async def test_a_preview_has_the_values_of_a_test_in_another_file(client, tmp_path):
    flow, tests = PREVIEWED.split("test ", 1)
    tests = tests.replace("given judge", "given a.judge").replace("run judged", "run a.judged")
    (tmp_path / "tests.pmflow").write_text('import "./a.pmflow"\n\ntest ' + tests)
    editor, _ = await started(client, tmp_path)
    editor.open("a.pmflow", flow)
    answer = await client.workspace_execute_command_async(lsp.ExecuteCommandParams(
        command="pmflow.previewPrompt", arguments=[editor.uri("a.pmflow"), "judge"]))
    text = answer["text"] if isinstance(answer, dict) else answer.text
    assert 'With the values of the test "Ada" of `tests.pmflow`:' in text and "Ada Lovelace" in text, text


@pytest.mark.asyncio
@pytest.mark.parametrize("own", [False, True])
async def test_commands_are_named_unless_the_client_has_its_own(client, tmp_path, own):
    # VS Code's client registers each command that the server names, and the extension could not start with the same ones.
    _, result = await started(client, tmp_path, experimental={"pmflowCommands": own})
    named = result.capabilities.execute_command_provider
    assert (named is None) if own else ("pmflow.previewPrompt" in named.commands)
