/** Counts and names what a manager has to do and where it fails, by indexes alone: a monitor asks every few seconds. */
import type { DatabaseSync } from 'node:sqlite';
import { type FailureClass, sha256 } from '@certbus/events';

/** What can be asked about the duties of a manager; of a client's replica, nothing is found. */
export interface DutyReader {
  /** How many certificates a manager should act on by `at`. */
  countDue(at: Date): number;
  /** How many of those that are served have a sixth of their lifetime or less left by `at`, have ended or were revoked; imported ones as well. */
  countUrgent(at: Date): number;
  /** How many have failed since they were last issued, by the class of the last failure; classes without any are absent. */
  countFailing(): ReadonlyMap<FailureClass, number>;
  /** Ids of those that {@link DutyReader.countFailing} counts for a class, as many as `limit`. */
  failing(failureClass: FailureClass, limit: number): string[];
  /** Ids of those that {@link DutyReader.countUrgent} counts, the longest urgent first, as many as `limit`. */
  urgent(at: Date, limit: number): string[];
  /** When the first of those that a CA issued ends, by its directory; `undefined` where it issued none that is served. */
  firstEnd(directory: string): Date | undefined;
}

/** Numbers of the directories that were asked for last: of a million certificates, almost all are from the same few CAs. */
const numbers = new Map<string, number>();
const MAX_NUMBERS = 50;

/** A number for a CA, by its directory: its address in every row, and once more in an index, would take more room than all else that is counted. */
export function issuerNumber(directory: string): number {
  const known = numbers.get(directory);
  if (known !== undefined) return known;
  if (numbers.size >= MAX_NUMBERS) numbers.clear();
  const number = Buffer.from(sha256(Buffer.from(directory)), 'base64url').readInt32BE();
  numbers.set(directory, number);
  return number;
}

/** Makes the reader of a generation. */
export function createDutyReader(database: DatabaseSync, suffix: string): DutyReader {
  const due = database.prepare(`SELECT count(*) AS n FROM certificates${suffix} WHERE next_action_at <= ?`);
  const urgent = database.prepare(`SELECT count(*) AS n FROM certificates${suffix} WHERE urgent_at <= ?`);
  const failing = database.prepare(
    `SELECT failing, count(*) AS n FROM certificates${suffix} WHERE failing IS NOT NULL GROUP BY failing`,
  );
  const alike = database.prepare(`SELECT certificate_id FROM certificates${suffix} WHERE failing = ? LIMIT ?`);
  const longest = database.prepare(
    `SELECT certificate_id FROM certificates${suffix} WHERE urgent_at <= ? ORDER BY urgent_at LIMIT ?`,
  );
  const idsOf = (rows: readonly Record<string, unknown>[]) => rows.map((row) => String(row['certificate_id']));
  const first = database.prepare(`SELECT min(not_after) AS first FROM certificates${suffix} WHERE issued_by = ?`);
  return {
    countDue: (at) => Number(due.get(at.getTime())?.['n']),
    countUrgent: (at) => Number(urgent.get(at.getTime())?.['n']),
    countFailing: () => new Map(failing.all().map((row) => [row['failing'] as FailureClass, Number(row['n'])])),
    failing: (failureClass, limit) => idsOf(alike.all(failureClass, limit)),
    urgent: (at, limit) => idsOf(longest.all(at.getTime(), limit)),
    firstEnd(directory) {
      const end = first.get(issuerNumber(directory))?.['first'];
      return typeof end === 'number' ? new Date(end) : undefined;
    },
  };
}
