// Writes the TextMate grammar and the snippets from the compiler's own grammar and the server's own words, so that a new
// word of the language is coloured without anyone remembering it. `node generate.mjs --check` fails where they are stale.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const pest = readFileSync(here('../../compiler/src/syntax/pmflow.pest'), 'utf8');
const words = readFileSync(here('../../lsp/src/words.rs'), 'utf8');

/** The keywords of the grammar: every `kw_NAME = @{ "word" … }`. */
export function keywords() {
  return [...pest.matchAll(/^kw_\w+ = @\{ "(\w+)"/gm)].map((match) => match[1]).filter((word) => word !== 'of');
}

/** The names of the types that are built in. */
function builtInTypes() {
  const list = words.match(/pub const TYPES[\s\S]*?\n\];/)[0];
  return [...list.matchAll(/word\(\s*"(\w+)"/g)].map((match) => match[1]);
}

const declaring = ['import', 'type', 'enum', 'model', 'prompt', 'fn', 'connector', 'budget', 'flow', 'test', 'source', 'action', 'let', 'set'];
const alternatives = (list) => [...new Set(list)].sort().join('|');

function grammar() {
  const all = keywords();
  const controlling = all.filter((word) => !declaring.includes(word) && !['and', 'or', 'not'].includes(word));
  // A word before a colon or behind a dot is a name, whatever it is elsewhere.
  const whole = (list) => `(?<![.\\w])(${alternatives(list)})\\b(?!\\s*:(?!:))`;
  const embedded = [{ include: '#comment' }, { include: '#expression' }];
  return {
    $schema: 'https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json',
    name: 'pmflow',
    scopeName: 'source.pmflow',
    patterns: embedded,
    repository: {
      comment: {
        patterns: [
          { name: 'comment.line.documentation.pmflow', match: '///(?!/).*$' },
          { name: 'comment.line.double-slash.pmflow', match: '//.*$' },
        ],
      },
      hole: {
        name: 'meta.embedded.pmflow',
        begin: '\\{\\{',
        end: '\\}\\}',
        beginCaptures: { 0: { name: 'punctuation.section.embedded.begin.pmflow' } },
        endCaptures: { 0: { name: 'punctuation.section.embedded.end.pmflow' } },
        patterns: [{ name: 'keyword.control.template.pmflow', match: '\\b(if|else|for|in|end)\\b' }, { include: '#inner' }],
      },
      inner: {
        patterns: [{ name: 'string.quoted.double.pmflow', match: '"(?:[^"\\\\\\n]|\\\\.)*"' }, { include: '#plain' }],
      },
      text: {
        patterns: [
          { name: 'string.quoted.triple.pmflow', begin: '"""', end: '"""', patterns: [{ include: '#escape' }, { include: '#hole' }] },
          { name: 'string.quoted.double.pmflow', begin: '"', end: '"|$', patterns: [{ include: '#escape' }, { include: '#hole' }] },
        ],
      },
      escape: { name: 'constant.character.escape.pmflow', match: '\\\\(?:[ntr"\\\\{}]|u\\{[0-9A-Fa-f]+\\})' },
      pattern: {
        match: '(?<![.\\w])(matches)\\s*(\\()?\\s*(/(?:[^/\\\\\\n]|\\\\.)+/)|(\\.)(matches)\\s*(\\()\\s*(/(?:[^/\\\\\\n]|\\\\.)+/)',
        captures: {
          1: { name: 'keyword.control.pmflow' },
          3: { name: 'string.regexp.pmflow' },
          5: { name: 'entity.name.function.pmflow' },
          7: { name: 'string.regexp.pmflow' },
        },
      },
      number: {
        name: 'constant.numeric.pmflow',
        match: '(?<!\\w)(?:\\$\\d[\\d_]*(?:\\.[\\d_]+)?|\\d[\\d_]*(?:\\.\\d[\\d_]*)?(?:%|[A-Za-z]\\w*)?)',
      },
      declaration: {
        match: '(?<![.\\w])(type|enum|model|prompt|fn|connector|budget|flow)\\s+([A-Za-z_]\\w*)',
        captures: { 1: { name: 'keyword.declaration.pmflow' }, 2: { name: 'entity.name.pmflow' } },
      },
      setting: { name: 'variable.other.property.pmflow', match: '(?<![.\\w])[A-Za-z_]\\w*(?=\\s*:)' },
      keyword: {
        patterns: [
          { name: 'keyword.declaration.pmflow', match: whole(declaring.filter((word) => all.includes(word))) },
          { name: 'keyword.operator.word.pmflow', match: whole(['and', 'or', 'not']) },
          { name: 'constant.language.pmflow', match: whole(['true', 'false', 'none']) },
          { name: 'keyword.control.pmflow', match: whole(controlling) },
        ],
      },
      builtin: { name: 'support.type.pmflow', match: `(?<![.\\w])(${alternatives(builtInTypes())})\\b(?!\\s*:)` },
      member: { name: 'variable.other.member.pmflow', match: '(?<=\\.)[A-Za-z_]\\w*' },
      operator: { name: 'keyword.operator.pmflow', match: '->|=>|==|!=|<=|>=|\\?\\?|\\?\\.|\\.\\.|[-+*/%<>=?]' },
      plain: {
        patterns: ['pattern', 'number', 'declaration', 'setting', 'keyword', 'builtin', 'member', 'operator'].map((name) => ({ include: `#${name}` })),
      },
      expression: { patterns: [{ include: '#text' }, { include: '#plain' }] },
    },
  };
}

/** The server's snippets for whole items and steps, for use without it. */
function snippets() {
  const lists = [...words.matchAll(/pub const (ITEMS|STEPS|TEST_STEPS): [\s\S]*?\n\];/g)].map((match) => match[0]).join('\n');
  const found = {};
  for (const [, word, snippet, doc] of lists.matchAll(/word\(\s*"(\w+)",\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)",?\s*\)/g)) {
    found[word] = { prefix: word, body: JSON.parse(`"${snippet}"`).split('\n'), description: JSON.parse(`"${doc}"`) };
  }
  return found;
}

const made = { 'syntaxes/pmflow.tmLanguage.json': grammar(), 'snippets/pmflow.json': snippets() };
let stale = false;
for (const [path, content] of Object.entries(made)) {
  const text = JSON.stringify(content, null, 2) + '\n';
  if (process.argv.includes('--check')) {
    if (readFileSync(here(path), 'utf8') !== text) {
      console.error(`${path} is stale: run \`node generate.mjs\``);
      stale = true;
    }
  } else {
    writeFileSync(here(path), text);
  }
}
process.exitCode = stale ? 1 : 0;
