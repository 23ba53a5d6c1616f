/** All commands, by the ids that oclif knows them by. */
import Check from './check.ts';
import Init from './init.ts';
import Once from './once.ts';
import Pause from './pause.ts';
import Resume from './resume.ts';
import Run from './run.ts';
import Status from './status.ts';

/** Every command by its id. */
export const COMMANDS = {
  check: Check,
  init: Init,
  once: Once,
  pause: Pause,
  resume: Resume,
  run: Run,
  status: Status,
};
