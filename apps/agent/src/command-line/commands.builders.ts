/** Every command of `certbus-agent` by its id, for tests: the program itself loads the one that is called. */
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from '@oclif/core';

const FOLDER = new URL('../commands/', import.meta.url);
const files = globSync('*.ts', { cwd: fileURLToPath(FOLDER), exclude: ['*.test.ts'] }).sort();

async function load(file: string): Promise<readonly [id: string, command: Command.Class]> {
  const { default: command } = await import(new URL(file, FOLDER).href);
  return [file.replace(/\.ts$/, ''), command];
}

/** In the order of their ids. */
export const COMMANDS: Readonly<Record<string, Command.Class>> = Object.fromEntries(await Promise.all(files.map(load)));
