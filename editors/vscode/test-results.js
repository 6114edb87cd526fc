// What `pmflow test --format json` says, as the test explorer needs it.

/** The result of the test with exactly this title; the filter of the command takes every title that contains it. */
function resultOf(title, stdout) {
  try {
    return JSON.parse(stdout).tests.find((one) => one.title === title);
  } catch {
    return undefined; // A file with errors: the command has printed its problems and no results.
  }
}

/** The line of `lines`, from `first` to `last`, where the expectation of a failure stands; `first` if it is none of them. */
function lineOf(failure, lines, first, last) {
  const expectation = failure.split('\n')[0].trim();
  const within = lines.slice(first, last + 1).findIndex((line) => line.trim().startsWith(expectation));
  return first + Math.max(within, 0);
}

module.exports = { resultOf, lineOf };
