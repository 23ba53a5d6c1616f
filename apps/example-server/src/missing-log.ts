/** Logs names without a certificate, of which strangers choose how many there are. */

const MAX_LINES = 10;

/** A log of missing names that a scanner cannot fill. */
export interface MissingLog {
  /** Writes a line, or counts where there are too many since the last flush. */
  note(serverName: string): void;
  /** Writes how many were left out, and begins to write again. To be called at regular intervals. */
  flush(): void;
}

/** Makes a log that writes 10 lines at most between two flushes. */
export function createMissingLog(log: (line: string) => void): MissingLog {
  let noted = 0;
  return {
    note(serverName) {
      noted += 1;
      if (noted <= MAX_LINES) log(`no certificate for ${JSON.stringify(serverName)}`);
    },
    flush() {
      const leftOut = noted - MAX_LINES;
      noted = 0;
      if (leftOut > 0) log(`no certificate for ${leftOut} more handshakes, which are not logged one by one`);
    },
  };
}
