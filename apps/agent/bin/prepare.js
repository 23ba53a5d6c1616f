// What must be right before anything else is loaded. Old syntax, so that a Node that is too old says so instead of stumbling over the code.
import { homedir, userInfo } from 'node:os';
import { setFlagsFromString } from 'node:v8';

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
 * Keeps the heap small. By default V8 lets the space for young objects grow to 64 MB, and that for old ones to a multiple of what is in use, for
 * servers that make garbage all the time; an agent makes some at its start, and does next to nothing from then on.
 */
function saveMemory() {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--optimize-for-size');
}

/**
 * Ends the process on a Node that is too old, and makes up what a user without an entry in /etc/passwd lacks: libraries of the command
 * line ask for a home and a shell while they are loaded, and throw.
 */
export function prepare(advice) {
  var version = process.versions.node.split('.').map(Number);
  if (version[0] < 22 || (version[0] === 22 && version[1] < 19)) {
    console.error(`certbus-agent needs Node 22.19 or later; this is Node ${process.versions.node}. ${advice}`);
    process.exit(3);
  }
  hideSqliteWarning();
  saveMemory();
  if (lacks(homedir)) process.env.HOME = '/nonexistent';
  if (!process.env.SHELL && lacks(() => userInfo().shell)) process.env.SHELL = '/bin/sh';
}
