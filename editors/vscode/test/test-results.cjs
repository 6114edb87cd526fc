// A test has its own result, also beside one whose title contains its own, and a failure stands at its expectation.

const assert = require('node:assert');
const { resultOf, lineOf } = require('../test-results.js');

const answer = JSON.stringify({ version: 1, tests: [
  { title: 'doubles badly', passed: false, failures: ['expect outputs[0] == 7\n    compared 6 with 7'] },
  { title: 'doubles', passed: true, failures: [] },
] });
assert.strictEqual(resultOf('doubles', answer).passed, true);
assert.strictEqual(resultOf('doubles badly', answer).passed, false);
assert.strictEqual(resultOf('double', answer), undefined);
assert.strictEqual(resultOf('doubles', '[E0101] Error: there is nothing called `outputz` here'), undefined);

const lines = ['test "a" {', '  expect outputs[0] == 7', '}', 'test "b" {', '  run double(n: 3)', '  expect outputs[0] == 7', '}'];
assert.strictEqual(lineOf('expect outputs[0] == 7\n    compared 6 with 7', lines, 3, 6), 5);
assert.strictEqual(lineOf('the run failed', lines, 3, 6), 3);
console.log('results of tests');
