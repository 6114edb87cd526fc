// The TextMate grammar against the compiler's own lexer: over every example, whatever the one takes for a comment, a text, a
// number, a keyword or the name of a type, the other does too.

import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const oniguruma = require('vscode-oniguruma');
const textmate = require('vscode-textmate');
const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const server = process.env.PMFLOW;

/** What a scope means, in the words of the server's colours. */
const meaning = (scopes) => {
  const all = scopes.join(' ');
  if (/comment\./.test(all)) return 'comment';
  const inner = scopes[scopes.length - 1];
  if (/string\.regexp/.test(inner)) return 'regexp';
  if (/string\.quoted|constant\.character\.escape/.test(inner)) return 'string';
  if (/constant\.numeric/.test(inner)) return 'number';
  if (/keyword\.(control|declaration|operator\.word)|constant\.language/.test(inner)) return 'keyword';
  if (/support\.type/.test(inner)) return 'type';
  return 'name';
};

async function tokenizer() {
  await oniguruma.loadWASM(readFileSync(require.resolve('vscode-oniguruma/release/onig.wasm')).buffer);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (sources) => new oniguruma.OnigScanner(sources),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => textmate.parseRawGrammar(readFileSync(join(root, 'editors/vscode/syntaxes/pmflow.tmLanguage.json'), 'utf8'), 'pmflow.json'),
  });
  return registry.loadGrammar('source.pmflow');
}

/** The server's list of colours for each file. */
async function listed(files) {
  const process_ = spawn(server, ['lsp'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const send = (message) => {
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
    process_.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    process_.stdin.write(body);
  };
  const answers = new Map();
  let buffer = Buffer.alloc(0);
  const ended = new Promise((done) => process_.stdout.on('end', done));
  process_.stdout.on('data', (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const head = buffer.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(buffer.subarray(0, head).toString())[1]);
      if (buffer.length < head + 4 + length) return;
      const message = JSON.parse(buffer.subarray(head + 4, head + 4 + length).toString());
      buffer = buffer.subarray(head + 4 + length);
      if (message.id !== undefined && !message.method) {
        answers.set(message.id, message);
        if (message.id === files.length) send({ id: files.length + 1, method: 'shutdown' });
        if (message.id === files.length + 1) { send({ method: 'exit' }); process_.stdin.end(); }
      }
    }
  });
  send({ id: 0, method: 'initialize', params: { processId: null, rootUri: pathToFileURL(root).href, capabilities: {} } });
  files.forEach((file, index) => send({
    id: index + 1,
    method: 'workspace/executeCommand',
    params: { command: 'pmflow.tokens', arguments: [pathToFileURL(file).href] },
  }));
  await ended;
  return files.map((_, index) => answers.get(index + 1).result);
}

const flows = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
  const path = join(folder, entry.name);
  return entry.isDirectory() ? flows(path) : entry.name.endsWith('.pmflow') ? [path] : [];
});

const files = [...flows(join(root, 'examples')), ...flows(join(root, 'stdlib')), ...flows(join(root, 'cli/src'))];
const grammar = await tokenizer();
const colours = await listed(files);
let compared = 0;
const differ = [];
for (const [index, file] of files.entries()) {
  let stack = textmate.INITIAL;
  const lines = readFileSync(file, 'utf8').split('\n').map((line) => {
    const result = grammar.tokenizeLine(line, stack);
    stack = result.ruleStack;
    return result.tokens;
  });
  for (const [kind, line, column, text] of colours[index]) {
    const wanted = ['comment', 'string', 'number', 'regexp', 'keyword'].includes(kind) ? kind : 'name';
    // A stretch of text that begins with a line break has nothing on its first line to compare.
    if (kind === 'string' && text.startsWith('\n')) continue;
    const token = lines[line - 1].find((found) => found.startIndex <= column - 1 && column - 1 < found.endIndex);
    const found = token ? meaning(token.scopes) : 'nothing';
    compared += 1;
    // A parameter may be called as a keyword is; only the checker can tell, and its colours go over the grammar's.
    const resolved = ['parameter', 'variable'].includes(kind) && found === 'keyword';
    if (wanted !== found && !resolved && !(wanted === 'name' && found === 'type')) {
      differ.push(`${file}:${line}:${column} \`${text.split('\n')[0]}\`: the lexer says ${wanted}, the grammar ${found}`);
    }
  }
}
console.log(`${compared} words of ${files.length} files compared, ${differ.length} differ`);
differ.slice(0, 40).forEach((line) => console.error(line));
process.exitCode = differ.length > 0 || compared < 1000 ? 1 : 0;
