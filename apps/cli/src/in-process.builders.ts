/** Runs commands of `certbus` in this process, for tests of what they answer: a process each would cost a second. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Config } from '@oclif/core';
import { vi } from 'vitest';
import type { Answer } from './answer.ts';
import { COMMANDS, commandOf } from './commands.builders.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Runs a command with these variables and none of this process, and resolves with what it prints with `--json`. */
export type RunCommand = (words: readonly string[], variables?: Readonly<Record<string, string>>) => Promise<Answer>;

/** What a command prints on standard output while it runs. */
export async function printed(run: () => Promise<unknown>): Promise<string> {
  const lines: string[] = [];
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    await run();
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
    process.exitCode = undefined;
  }
  return lines.join('');
}

/** What oclif knows of the program, without commands and hooks of its own. */
export function loadConfig(): Promise<Config> {
  const pjson = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'));
  delete pjson.oclif.commands;
  pjson.oclif.hooks = {};
  delete pjson.oclif.helpClass;
  return Config.load({ root: ROOT, pjson, ignoreManifest: true });
}

/** @param common variables of every command. */
export async function createRunner(common: Readonly<Record<string, string>>): Promise<RunCommand> {
  const config = await loadConfig();
  // Each command listens for signals, and none of them leaves with its process here.
  for (const emitter of [process, process.stdout]) emitter.setMaxListeners(0);
  return async ([first = '', second = '', ...rest], variables = {}) => {
    const id = `${first}:${second}` in COMMANDS ? `${first}:${second}` : first;
    const command = commandOf(id);
    const before = { ...process.env };
    Object.assign(process.env, common, variables);
    try {
      const words = id === first ? [second, ...rest].filter((word) => word !== '') : rest;
      return JSON.parse(await printed(() => command.run([...words, '--json'], config)));
    } finally {
      for (const name of Object.keys({ ...common, ...variables })) delete process.env[name];
      Object.assign(process.env, before);
    }
  };
}
