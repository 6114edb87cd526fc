// The extension: starts the server, and puts what only VS Code has around it: the status bar, the test explorer, terminals.
// Everything that is known of the language comes from the server.

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const vscode = require('vscode');
const { LanguageClient } = require('vscode-languageclient/node');
const { resultOf, lineOf } = require('./test-results.js');

let client;
/** The texts of the server that are shown, by the address of their document, and the event that one is new. */
const texts = new Map();
const textChanged = new vscode.EventEmitter();

/** The binary: the one that the settings name, one built in this workspace, else the one on the PATH. */
function findServer() {
  const wanted = vscode.workspace.getConfiguration('pmflow').get('path');
  if (wanted) return wanted;
  const name = process.platform === 'win32' ? 'pmflow.exe' : 'pmflow';
  const onPath = (process.env.PATH || '').split(path.delimiter).map((folder) => path.join(folder, name));
  const found = onPath.find((candidate) => fs.existsSync(candidate));
  if (found) return found;
  if (!vscode.workspace.isTrusted) return undefined;
  const folders = (vscode.workspace.workspaceFolders || []).map((folder) => folder.uri.fsPath);
  const built = folders.flatMap((folder) => ['release', 'debug'].map((kind) => path.join(folder, 'target', kind, name)));
  return built.find((candidate) => fs.existsSync(candidate));
}

async function start() {
  const command = findServer();
  if (!command) {
    const open = 'Open the settings';
    const chosen = await vscode.window.showErrorMessage('pmflow is not on the PATH. Install it, or say where it is.', open);
    if (chosen === open) await vscode.commands.executeCommand('workbench.action.openSettings', 'pmflow.path');
    return;
  }
  client = new LanguageClient('pmflow', 'pmflow', { command, args: ['lsp'] }, { documentSelector: [{ language: 'pmflow' }] });
  // The commands behind the lenses are this extension's: the server then names none to register.
  client.registerFeature({
    fillClientCapabilities: (capabilities) => { capabilities.experimental = { ...capabilities.experimental, pmflowCommands: true }; },
    initialize: () => {},
    getState: () => ({ kind: 'static' }),
    clear: () => {},
  });
  try {
    await client.start();
  } catch {
    // The client has said why; the command that restarts it still works.
    client = undefined;
  }
}

/** Sends a command to the server by its own name; VS Code's command of the same name is this extension's. */
function ask(command, ...args) {
  return client.sendRequest('workspace/executeCommand', { command, arguments: args });
}

/** A text of the server as a document that nobody can edit or is asked to save; shown again, it takes the place of the former. */
async function show(command, uri, name) {
  try {
    const answer = await ask(command, uri, name);
    const address = vscode.Uri.from({ scheme: 'pmflow', path: `/${command.split('.')[1]}/${answer.title}.md`, query: uri });
    texts.set(address.toString(), answer.text);
    textChanged.fire(address);
    const document = await vscode.workspace.openTextDocument(address);
    await vscode.languages.setTextDocumentLanguage(document, answer.language);
    await vscode.window.showTextDocument(document, { preview: true, viewColumn: vscode.ViewColumn.Beside, preserveFocus: true });
  } catch (error) {
    vscode.window.showWarningMessage(error.message);
  }
}

/** The document and the name that a lens gives; by hand, the active document and a question. */
async function target(uri, name, kind) {
  const editor = vscode.window.activeTextEditor;
  const document = uri || (editor && editor.document.uri.toString());
  if (!document) return undefined;
  if (name) return [document, name];
  const symbols = await vscode.commands.executeCommand('vscode.executeDocumentSymbolProvider', vscode.Uri.parse(document));
  const names = (symbols || []).filter((symbol) => symbol.detail === kind).map((symbol) => symbol.name);
  const chosen = names.length > 1 ? await vscode.window.showQuickPick(names, { placeHolder: `Which ${kind}?` }) : names[0];
  return chosen && [document, chosen];
}

function terminal(args) {
  const shell = vscode.window.createTerminal({ name: 'pmflow', shellPath: findServer(), shellArgs: args });
  shell.show(true);
}

/** `$0.43 a run` of the flow that costs most, for the document in front. */
function statusBar(context) {
  const item = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Right, 90);
  item.command = 'pmflow.showCost';
  let timer;
  const update = async () => {
    const editor = vscode.window.activeTextEditor;
    if (!client || !editor || editor.document.languageId !== 'pmflow') return item.hide();
    try {
      const { flows, clean } = await ask('pmflow.statusCost', editor.document.uri.toString());
      if (flows.length === 0) return item.hide();
      const first = flows[0];
      item.text = `$(credit-card) ${first.expected} · at most ${first.ceiling}`;
      item.tooltip = flows.map((flow) => `${flow.flow}: ${flow.expected} expected, ${flow.ceiling} at most per run`).join('\n');
      if (clean) item.show();
    } catch { /* An edit overtook the question; the next one asks again. */ }
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(update, 300); };
  context.subscriptions.push(item, vscode.window.onDidChangeActiveTextEditor(soon), vscode.workspace.onDidChangeTextDocument(soon));
  soon();
}

/** The tests of every flow file, run with `pmflow test`. */
function testExplorer(context) {
  const controller = vscode.tests.createTestController('pmflow', 'pmflow');
  const discover = async (uri) => {
    if (!client) return;
    try {
      const found = await ask('pmflow.tests', uri.toString());
      if (found.length === 0) return controller.items.delete(uri.toString());
      const file = controller.createTestItem(uri.toString(), path.basename(uri.fsPath), uri);
      for (const { title, range } of found) {
        const test = controller.createTestItem(`${uri}#${title}`, title, uri);
        test.range = new vscode.Range(range.start.line, range.start.character, range.end.line, range.end.character);
        file.children.add(test);
      }
      controller.items.add(file);
    } catch { /* The document is gone, or has changed meanwhile. */ }
  };
  const run = async (request, cancel) => {
    const session = controller.createTestRun(request);
    const wanted = request.include ? [...request.include] : [...controller.items].map(([, item]) => item);
    for (const item of wanted) {
      const tests = item.children.size > 0 ? [...item.children].map(([, test]) => test) : [item];
      for (const test of tests) {
        if (cancel.isCancellationRequested) break;
        await runOne(session, test, cancel);
      }
    }
    session.end();
  };
  controller.createRunProfile('Run', vscode.TestRunProfileKind.Run, run, true);
  const watcher = vscode.workspace.createFileSystemWatcher('**/*.pmflow');
  watcher.onDidCreate(discover);
  watcher.onDidChange(discover);
  watcher.onDidDelete((uri) => controller.items.delete(uri.toString()));
  context.subscriptions.push(controller, watcher, vscode.workspace.onDidOpenTextDocument((document) => document.languageId === 'pmflow' && discover(document.uri)));
  vscode.workspace.findFiles('**/*.pmflow', '**/{target,node_modules}/**').then((files) => files.forEach(discover));
}

function runOne(session, test, cancel) {
  session.started(test);
  const begun = Date.now();
  const command = findServer();
  if (!command) return session.errored(test, new vscode.TestMessage('pmflow is not on the PATH. Install it, or say where it is in the setting pmflow.path.'));
  return new Promise((done) => {
    const args = ['test', test.uri.fsPath, '--filter', test.label, '--format', 'json', '--color', 'never'];
    const child = execFile(command, args, async (error, stdout, stderr) => {
      const result = resultOf(test.label, stdout);
      const report = result ? [`${result.passed ? 'pass' : 'FAIL'} ${test.label}`, ...result.failures].join('\n  ') : stdout + stderr || (error ? error.message : 'this test is not in the file as it was saved');
      session.appendOutput(`${report}\n`.replaceAll('\n', '\r\n'), undefined, test);
      if (cancel.isCancellationRequested) session.skipped(test);
      else if (!result) session.errored(test, new vscode.TestMessage(report), Date.now() - begun);
      else if (result.passed) session.passed(test, Date.now() - begun);
      else session.failed(test, await messages(test, result.failures), Date.now() - begun);
      stopping.dispose();
      done();
    });
    const stopping = cancel.onCancellationRequested(() => child.kill());
  });
}

/** Each failure at the expectation that did not hold. */
async function messages(test, failures) {
  const document = await vscode.workspace.openTextDocument(test.uri);
  const lines = document.getText().split(/\r?\n/);
  return failures.map((failure) => {
    const message = new vscode.TestMessage(failure);
    const line = lineOf(failure, lines, test.range.start.line, test.range.end.line);
    message.location = new vscode.Location(test.uri, document.lineAt(line).range);
    return message;
  });
}

async function activate(context) {
  const command = (name, action) => context.subscriptions.push(vscode.commands.registerCommand(name, action));
  command('pmflow.previewPrompt', async (uri, name) => { const at = await target(uri, name, 'prompt'); if (at) await show('pmflow.previewPrompt', ...at); });
  command('pmflow.showCost', async (uri, name) => { const at = await target(uri, name, 'flow'); if (at) await show('pmflow.showCost', ...at); });
  command('pmflow.run', async (uri, name) => { const at = await target(uri, name, 'flow'); if (at) terminal(['run', `${vscode.Uri.parse(at[0]).fsPath}:${at[1]}`]); });
  command('pmflow.runTests', async (uri, title) => {
    const editor = vscode.window.activeTextEditor;
    const document = uri ? vscode.Uri.parse(uri) : editor && editor.document.uri;
    if (document) terminal(['test', document.fsPath, ...(title ? ['--filter', title] : [])]);
  });
  command('pmflow.restart', async () => { await deactivate(); await start(); });
  context.subscriptions.push(textChanged, vscode.workspace.registerTextDocumentContentProvider('pmflow', {
    onDidChange: textChanged.event,
    provideTextDocumentContent: (address) => texts.get(address.toString()),
  }));
  await start();
  statusBar(context);
  testExplorer(context);
}

async function deactivate() {
  if (client) await client.stop();
  client = undefined;
}

module.exports = { activate, deactivate, findServer };
