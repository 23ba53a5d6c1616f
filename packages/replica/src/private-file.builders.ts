/** A process of root, in a mount namespace of its own, that looks at files as other users do. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { examineFile, type FileExamination } from './private-file.ts';

/** Files as somebody made them, and who looks at one. */
export interface Scene {
  /** Shell script that root runs in an empty folder of root, on a disk of its own. */
  readonly script: string;
  /** Path in that folder. */
  readonly file: string;
  readonly isSecret: boolean;
  readonly uid: number;
  readonly groups: readonly number[];
}

const FOLDER = '/mnt';

function look({ file, isSecret, uid, groups }: Scene, folder: string): FileExamination {
  process.setgroups?.([...groups]);
  process.setegid?.(groups[0] ?? uid);
  process.seteuid?.(uid);
  try {
    return examineFile(`${folder}/${file}`, { isSecret });
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

function answer(scene: Scene, index: number): FileExamination {
  const folder = `${FOLDER}/${index}`;
  mkdirSync(folder, { mode: 0o755 });
  execFileSync('sh', ['-ec', `umask 022\n${scene.script}`], { cwd: folder });
  try {
    return look(scene, folder);
  } finally {
    execFileSync('sh', ['-c', 'umount /etc/passwd /etc/group 2>/dev/null; true']);
  }
}

if (process.argv[2] !== undefined) {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', FOLDER]);
  process.stdout.write(JSON.stringify((JSON.parse(process.argv[2]) as Scene[]).map(answer)));
}
