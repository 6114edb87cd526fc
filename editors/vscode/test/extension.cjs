// What the extension needs stands: its manifest names files that are there, and every command that the server's lenses name
// is one that it registers.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const root = path.join(__dirname, '..');
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
const source = fs.readFileSync(path.join(root, 'extension.js'), 'utf8');

const named = [manifest.main, ...manifest.contributes.languages.map((one) => one.configuration), ...manifest.contributes.grammars.map((one) => one.path), ...manifest.contributes.snippets.map((one) => one.path)];
named.forEach((file) => assert(fs.existsSync(path.join(root, file)), `${file} is not there`));
JSON.parse(fs.readFileSync(path.join(root, 'language-configuration.json'), 'utf8'));

const registered = [...source.matchAll(/command\('(pmflow\.\w+)'/g)].map((match) => match[1]);
const declared = manifest.contributes.commands.map((one) => one.command);
assert.deepStrictEqual([...registered].sort(), [...declared].sort(), 'commands that are registered, and those that the manifest lists');
const lenses = fs.readFileSync(path.join(root, '../../lsp/src/features/lens.rs'), 'utf8');
for (const [, command] of lenses.matchAll(/"(pmflow\.\w+)"/g)) assert(registered.includes(command), `a lens names ${command}`);
console.log(`${registered.length} commands, ${named.length} files`);
