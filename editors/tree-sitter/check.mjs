// What was made from grammar.js is not stale: grammar.json says what grammar.js says, read here as the generator reads it, and
// parser.c, which is written together with it, knows the same symbols. It needs no generator, so it always runs.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import assert from 'node:assert';

const require = createRequire(import.meta.url);
const source = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');

const rule = (value) => {
  if (typeof value === 'string') return { type: 'STRING', value };
  if (value instanceof RegExp) return { type: 'PATTERN', value: value.source };
  return value;
};
const members = (type) => (...all) => ({ type, members: all.map(rule) });
const content = (type) => (inner) => ({ type, content: rule(inner) });
const ranked = (type) => (...given) => ({ type, value: given.length > 1 ? given[0] : 0, content: rule(given[given.length - 1]) });

Object.assign(globalThis, {
  seq: members('SEQ'),
  choice: members('CHOICE'),
  repeat: content('REPEAT'),
  repeat1: content('REPEAT1'),
  optional: (inner) => choice(inner, { type: 'BLANK' }),
  field: (name, inner) => ({ type: 'FIELD', name, content: rule(inner) }),
  alias: (inner, other) => (typeof other === 'string'
    ? { type: 'ALIAS', content: rule(inner), named: false, value: other }
    : { type: 'ALIAS', content: rule(inner), named: true, value: other.name }),
  token: Object.assign(content('TOKEN'), { immediate: content('IMMEDIATE_TOKEN') }),
  prec: Object.assign(ranked('PREC'), { left: ranked('PREC_LEFT'), right: ranked('PREC_RIGHT'), dynamic: ranked('PREC_DYNAMIC') }),
  grammar: (written) => {
    const names = new Proxy({}, { get: (_, name) => ({ type: 'SYMBOL', name }) });
    const rules = Object.fromEntries(Object.entries(written.rules).map(([name, make]) => [name, rule(make(names))]));
    const conflicts = written.conflicts(names).map((conflict) => conflict.map((symbol) => symbol.name));
    return { name: written.name, word: written.word(names).name, rules, extras: written.extras(names).map(rule), conflicts };
  },
});

const written = require('./grammar.js');
const generated = JSON.parse(source('src/grammar.json'));
const stale = 'src/ is stale: run `tree-sitter generate` (0.20.8) in editors/tree-sitter';
for (const part of ['name', 'word', 'extras', 'conflicts', 'rules']) {
  assert.deepStrictEqual(generated[part], written[part], `${stale}; ${part} differ`);
}
const parser = source('src/parser.c');
const nodes = Object.keys(written.rules).filter((name) => !name.startsWith('_'));
nodes.forEach((name) => assert(parser.includes(`sym_${name}`), `${stale}; parser.c knows no ${name}`));
console.log(`${nodes.length} nodes of the tree-sitter grammar, none stale`);
