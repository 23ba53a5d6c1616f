// What must be right before anything else is loaded. Old syntax, so that a Node that is too old says so instead of stumbling over the code.
import { homedir, userInfo } from 'node:os';

function lacks(read) {
  try {
    return !read();
  } catch (_error) {
    return true;
  }
}

/** Node 22 says at every command that SQLite is experimental. Certbus tests what it uses of it on each Node; every other warning is shown. */
function hideSqliteWarning() {
  var emitWarning = process.emitWarning;
  process.emitWarning = (warning, ...more) => {
    if (String(warning).startsWith('SQLite is an experimental feature')) return;
    emitWarning.call(process, warning, ...more);
  };
}

/**
 * What becomes of help and of the version when they cannot be written, which no command prints: the same as of what commands print. oclif would
 * end the process with a trace of the stack. A command that is called has its own way instead.
 */
function watchOutput() {
  process.stdout.on('error', (error) => {
    // Its reader has gone, which is not a failure.
    if (error.code === 'EPIPE') process.exit(0);
    var why = error.code === 'ENOSPC' ? 'its disk is full; make room' : 'it cannot be written';
    console.error(`Error: Standard output: ${why} (${error.message}). Code: CERTBUS_CLI_FILE_PROBLEM.`);
    process.exit(3);
  });
}

/**
 * Ends the process on a Node that is too old, and makes up what a user without an entry in /etc/passwd lacks: libraries of the command
 * line ask for a home and a shell while they are loaded, and throw.
 */
export function prepare(advice) {
  var version = process.versions.node.split('.').map(Number);
  if (version[0] < 22 || (version[0] === 22 && version[1] < 19)) {
    console.error(`certbus needs Node 22.19 or later; this is Node ${process.versions.node}. ${advice}`);
    process.exit(3);
  }
  hideSqliteWarning();
  watchOutput();
  if (lacks(homedir)) process.env.HOME = '/nonexistent';
  if (!process.env.SHELL && lacks(() => userInfo().shell)) process.env.SHELL = '/bin/sh';
}
