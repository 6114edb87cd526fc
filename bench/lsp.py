#!/usr/bin/env python3
"""The figures of the language server, over standard input and output as an editor has it; other servers beside it.

    cargo build --release -p pmflow && python3 bench/lsp.py target/release/pmflow [edits] [half-written]
    python3 -m venv peers && peers/bin/pip install ruff ty
    python3 bench/lsp.py target/release/pmflow peers --ruff peers/bin/ruff --ty peers/bin/ty

CPU is what all threads of the server took; unlike the wall clock it does not depend on what else the machine does.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROMPTS = 1000
EDITS = 300


def pmflow_part(number):
    """A prompt and the flow that calls it, 15 lines."""
    return f"""prompt judge{number}(subject: text, previous: text?) -> text(max 60 tokens) {{
  model:      "openai/gpt-6-luna"
  max_input:  800 tokens
  max_output: 300 tokens
  system:     "You judge subject number {number}."
  user:       \"\"\"
    {{{{ if previous }}}}Before: {{{{ previous }}}}. {{{{ end }}}}{{{{ subject }}}}
  \"\"\"
}}

flow judge_all{number}(subject: text = "a subject") {{
  let first = judge{number}(subject, none)
  output first
}}

"""


def python_part(number):
    """A class and the function that uses it, 15 lines."""
    return f"""class Judge{number}:
    model: str = "openai/gpt-6-luna"
    max_input: int = 800
    max_output: int = 300

    def judge(self, subject: str, previous: str | None) -> str:
        before = f"Before: {{previous}}. " if previous else ""
        return f"You judge subject number {number}. {{before}}{{subject}}"


def judge_all{number}(subject: str = "a subject") -> str:
    first = Judge{number}().judge(subject, None)
    return first


"""


class Server:
    """One session; answers and publishes with the time at which they came."""

    def __init__(self, command, root, language):
        self.language, self.answers, self.published, self.next = language, {}, [], 0
        self.came = threading.Condition()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        threading.Thread(target=self.read, daemon=True).start()
        folders = [{"uri": root.as_uri(), "name": "workspace"}]
        document = {"publishDiagnostics": {"versionSupport": True}, "synchronization": {}}
        self.request("initialize", {
            "processId": None, "rootUri": root.as_uri(), "workspaceFolders": folders, "capabilities": {"textDocument": document}})
        self.notify("initialized", {})

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def read(self):
        while True:
            length = 0
            while line := self.process.stdout.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if not length:
                return
            message, now = json.loads(self.process.stdout.read(length)), time.perf_counter()
            if "method" in message and "id" in message:
                self.send({"id": message["id"], "result": None})
            with self.came:
                if message.get("method") == "textDocument/publishDiagnostics":
                    self.published.append((now, message["params"]))
                elif "method" not in message:
                    self.answers[message["id"]] = (now, message)
                self.came.notify_all()

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def request(self, method, params):
        """The answer, and how long it took in milliseconds."""
        self.next += 1
        begun = time.perf_counter()
        self.send({"id": self.next, "method": method, "params": params})
        with self.came:
            assert self.came.wait_for(lambda: self.next in self.answers, 120), f"{method} was not answered"
            now, message = self.answers.pop(self.next)
        return message, (now - begun) * 1000

    def open(self, uri, text):
        document = {"uri": uri, "languageId": self.language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})

    def change(self, uri, version, *changes):
        self.notify("textDocument/didChange", {
            "textDocument": {"uri": uri, "version": version}, "contentChanges": list(changes)})

    def wait_for(self, uri, version):
        """The time at which the problems of a version came, and these."""
        def found():
            return next(((at, p) for at, p in reversed(self.published) if p["uri"] == uri and p.get("version") == version), None)

        with self.came:
            assert self.came.wait_for(found, 120), f"version {version} of {uri} was not published"
            return found()

    def cpu_ms(self):
        """Of all threads, so far."""
        threads = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6

    def memory_mib(self, name):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith(name))) / 1024

    def end(self):
        self.request("shutdown", None)
        self.notify("exit", None)
        assert self.process.wait(10) == 0


def insertion(line, character, text):
    at = {"line": line, "character": character}
    return {"range": {"start": at, "end": at}, "text": text}


def removal(line, character, length):
    start, end = {"line": line, "character": character}, {"line": line, "character": character + length}
    return {"range": {"start": start, "end": end}, "text": ""}


def late(values):
    """The 99th percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def head(*cells):
    print("| " + " | ".join(cells) + " |\n|" + " --- |" + " ---: |" * (len(cells) - 1), flush=True)


def row(name, *cells):
    print("| " + " | ".join([name, *(cell if isinstance(cell, str) else f"{cell:.1f}" for cell in cells)]) + " |", flush=True)


def workspace(folder, part, ending, files):
    """So many files with all the prompts, and one that imports them all."""
    each = PROMPTS // files
    for number in range(files):
        text = "".join(part(number * each + index) for index in range(each))
        (folder / f"part{number}{ending}").write_text(text)


def typed(server, uri, text, places):
    """Edits one after the other, each a letter more or a letter less; milliseconds until their problems came, and CPU."""
    took, cpu, version = [], [], 1
    for number in range(EDITS):
        line, character = places[number // 2 % len(places)]
        version += 1
        used, begun = server.cpu_ms(), time.perf_counter()
        server.change(uri, version, insertion(line, character, "x") if number % 2 == 0 else removal(line, character, 1))
        took.append((server.wait_for(uri, version)[0] - begun) * 1000)
        cpu.append(server.cpu_ms() - used)
        # A person's next letter comes sooner or later.
        time.sleep(number * 7 % 50 / 1000)
    return took, cpu, version


def places_in(text, word):
    """Behind the word in some 20 lines all over the text."""
    all_places = [(number, len(line)) for number, line in enumerate(text.splitlines()) if word in line]
    return all_places[::max(1, len(all_places) // 20)]


def session(binary, files, imported):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        workspace(folder, pmflow_part, ".pmflow", files)
        path = folder / "part0.pmflow"
        if imported:
            path = folder / "main.pmflow"
            imports = "".join(f'import "./part{number}.pmflow"\n' for number in range(files))
            path.write_text(imports + '\nflow all(subject: text = "a subject") {\n  let first = part0.judge0(subject, none)\n  output first\n}\n')
        text, uri = path.read_text(), path.as_uri()
        places = places_in(text, "output first")
        server = Server([binary, "lsp"], folder, "pmflow")
        server.open(uri, text)
        server.wait_for(uri, 1)
        server.request("workspace/symbol", {"query": "judge"})
        took, cpu, version = typed(server, uri, text, places)
        line, character = places[0]
        before = len(server.published)
        for _ in range(20):
            version += 1
            server.change(uri, version, insertion(line, character, "y"))
        document = {"textDocument": {"uri": uri}, "position": {"line": line, "character": 10}}
        hover = server.request("textDocument/hover", document)[1]
        server.wait_for(uri, version)
        time.sleep(0.2)
        published = sum(1 for _, params in server.published[before:] if params["uri"] == uri)
        version += 1
        server.change(uri, version, {"text": text})
        server.wait_for(uri, version)
        asked = {}
        for method in ("completion", "hover"):
            asked[method] = []
            for number in range(100):
                # Each is asked of a text that has just changed, as while typing.
                version += 1
                server.change(uri, version, insertion(line, character, "z") if number % 2 == 0 else removal(line, character, 1))
                asked[method].append(server.request(f"textDocument/{method}", document)[1])
        server.wait_for(uri, version)
        before_all = server.memory_mib("VmHWM")
        everything, whole = server.request("workspace/diagnostic", {"previousResultIds": []})
        assert len(everything["result"]["items"]) >= files
        name = f"{files} files" if not imported else f"one that imports {files} files"
        row(name, statistics.median(took), late(took), statistics.median(cpu), str(published), hover, late(asked["completion"]),
            late(asked["hover"]), f"{before_all:.0f}", f"{whole:.0f}", f"{server.memory_mib('VmHWM'):.0f}")
        server.end()


def edits(binary):
    print(f"\n{PROMPTS} prompts in 15,000 lines, {EDITS} edits; ms and MiB\n")
    head("the edited file is one of", "edit to problems, median", "99 %", "CPU", "publishes of 20 edits", "hover after these",
         "edit and completion, 99 %", "edit and hover, 99 %", "peak", "all problems", "peak")
    for files, imported in ((PROMPTS, False), (20, False), (1, False), (20, True), (PROMPTS, True)):
        session(binary, files, imported)


def peers(binary, ruff, ty):
    print(f"\nEdits of one file, {EDITS} of each; ms and MiB\n")
    head("server", "lines of the file", "edit to problems, median", "99 %", "CPU", "peak")
    servers = [("pmflow lsp", [binary, "lsp"], "pmflow", pmflow_part, ".pmflow", "output first")]
    if ruff:
        servers.append(("ruff server", [ruff, "server"], "python", python_part, ".py", "return first"))
    if ty:
        servers.append(("ty server", [ty, "server"], "python", python_part, ".py", "return first"))
    for count in (50, 200, 1000):
        for name, command, language, part, ending, word in servers:
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder).resolve()
                path = folder / f"part0{ending}"
                path.write_text("".join(part(number) for number in range(count)))
                text, uri = path.read_text(), path.as_uri()
                server = Server(command, folder, language)
                server.open(uri, text)
                server.wait_for(uri, 1)
                took, cpu, _ = typed(server, uri, text, places_in(text, word))
                row(name, f"{15 * count:,}", statistics.median(took), late(took), statistics.median(cpu), f"{server.memory_mib('VmHWM'):.0f}")
                server.process.kill()


# What is asked after an edit, in turn; completion each time.
ASKED = ("hover", "signatureHelp", "definition", "documentHighlight", "codeAction", "inlayHint", "codeLens", "documentSymbol",
         "semanticTokens/full", "foldingRange", "selectionRange", "formatting", "prepareRename", "documentLink")


def ask(server, number, uri, position, end):
    """Completion and one other request; the slower one's CPU in milliseconds."""
    point = {"start": position, "end": position}
    more = {"range": point, "context": {"diagnostics": [], "triggerKind": 1, "isRetrigger": False}, "positions": [position], "options": {"tabSize": 2, "insertSpaces": True}}
    whole = {"range": {"start": {"line": 0, "character": 0}, "end": end}}
    slowest = (0.0, 0.0)
    for method in ("completion", ASKED[number % len(ASKED)]):
        params = {"textDocument": {"uri": uri}, "position": position, **more, **(whole if method == "inlayHint" else {})}
        used = server.cpu_ms()
        answer, wall = server.request(f"textDocument/{method}", params)
        refused = answer.get("error", {}).get("code")
        assert refused in (None, -32803), (method, answer)
        slowest = max(slowest, (server.cpu_ms() - used, wall))
    return slowest


def half_written(binary):
    """Every prefix and every deletion of one token of every example, as the edits of a person who types and deletes."""
    asked, walls = [], []
    for path in sorted(ROOT.glob("examples/*/*.pmflow")):
        server, text, uri = Server([binary, "lsp"], ROOT / "examples", "pmflow"), path.read_text(), path.as_uri()
        server.open(uri, text)
        listed = server.request("workspace/executeCommand", {"command": "pmflow.tokens", "arguments": [uri]})[0]["result"]
        version, number = 1, 0

        def edit(change, line, character, end):
            nonlocal version, number
            version += 1
            number += 1
            server.change(uri, version, change)
            cpu, wall = ask(server, number, uri, {"line": line, "character": character}, end)
            asked.append(cpu)
            walls.append(wall)

        lines = text.split("\n")
        last = {"line": len(lines), "character": 0}
        server.change(uri, version := version + 1, {"text": ""})
        line = character = 0
        for letter in text:
            at = (line, character)
            line, character = (line + 1, 0) if letter == "\n" else (line, character + len(letter.encode("utf-16-le")) // 2)
            edit(insertion(*at, letter), line, character, last)
        for _, line, column, word in listed:
            start = {"line": line - 1, "character": column - 1}
            inner = word.split("\n")
            end_character = len(inner[-1].encode("utf-16-le")) // 2 + (start["character"] if len(inner) == 1 else 0)
            end = {"line": line - 1 + len(inner) - 1, "character": end_character}
            edit({"range": {"start": start, "end": end}, "text": ""}, start["line"], start["character"], last)
            edit({"range": {"start": start, "end": start}, "text": word}, end["line"], end["character"], last)
        published = server.wait_for(uri, version)[1]["diagnostics"]
        checked = subprocess.run([binary, "check", "--format", "json", path], capture_output=True, text=True, check=False)
        wanted = [(problem["code"], problem["message"]) for problem in json.loads(checked.stdout)["problems"]]
        assert [(problem["code"], problem["message"].split("\n")[0]) for problem in published] == wanted, path
        server.end()
    print("\nEvery prefix and every token less of every example; ms of the slower of two requests after each\n")
    head("", "median", "99 %", "most", "edits")
    row("CPU", statistics.median(asked), late(asked), max(asked), f"{len(asked):,}")
    row("wall", statistics.median(walls), late(walls), max(walls), f"{len(walls):,}")
    assert max(asked) < 100


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("parts", nargs="*", default=["edits", "half-written"])
    parser.add_argument("--ruff")
    parser.add_argument("--ty")
    options = parser.parse_args()
    binary = str(pathlib.Path(options.binary).resolve())
    if "edits" in options.parts:
        edits(binary)
    if "half-written" in options.parts:
        half_written(binary)
    if "peers" in options.parts:
        peers(binary, options.ruff, options.ty)


if __name__ == "__main__":
    main()
