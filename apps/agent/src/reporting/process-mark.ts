/** Tells a process from a later one that was given its number. */
import { readFileSync } from 'node:fs';

/** Fields of `/proc/PID/stat` behind the name of the program, in parentheses, which can hold anything: the start is the twentieth of them (proc_pid_stat(5)). */
const START = 19;

/**
 * When a process began, in a form that no other process with its number has, not even after the machine was started again; `undefined` where it is
 * not there, or the system does not say.
 */
export function processMark(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START];
    return start && `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${start}`;
  } catch {
    return undefined;
  }
}
