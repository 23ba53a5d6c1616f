/** DynamoDB Local, installed and started. */
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installOnce } from './install.ts';
import { checkHashes, lockOf } from './locks.ts';
import { cacheFolder, freePort, hasProgram, temporaryFolder } from './machine.ts';
import { run, startService } from './process.ts';

/** Amazon's DynamoDB Local, in memory, on loopback. */
export interface DynamoDbLocal {
  readonly endpoint: string;
  readonly version: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const VERSION = '3.3.1';
const LOCK = 'dynamodb-local';
// Its own files have no hash here: Maven runs what it has fetched.
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.certbus</groupId><artifactId>dynamodb-local</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>software.amazon.dynamodb</groupId><artifactId>DynamoDBLocal</artifactId><version>${VERSION}</version>
  </dependency></dependencies>
</project>`;

async function install(folder: string): Promise<void> {
  const pom = join(folder, 'pom.xml');
  await writeFile(pom, POM);
  const lib = join(folder, 'lib');
  // With -C, a file that is not what its repository's checksum says ends it.
  const args = ['-q', '-B', '-C', '-f', pom, `${PLUGIN}:copy-dependencies`, `-DoutputDirectory=${lib}`];
  await run('mvn', [...args, '-DincludeScope=runtime'], { cwd: folder });
  checkHashes(lib, readdirSync(lib), join(lockOf(LOCK).folder, 'lib.sha256'));
}

/** Why this machine cannot have DynamoDB Local; `undefined` when it can. */
export function missingDynamoDbLocal(): string | undefined {
  if (!hasProgram('java')) return 'DynamoDB Local needs Java 17';
  if (!existsSync(cacheFolder(lockOf(LOCK).cacheName)) && !hasProgram('mvn'))
    return 'DynamoDB Local is fetched by Maven (mvn)';
  return undefined;
}

/** Finds or installs DynamoDB Local and returns its folder of jars. */
export async function findDynamoDbLocal(): Promise<string> {
  return join(await installOnce(lockOf(LOCK).cacheName, `DynamoDB Local ${VERSION} from Maven`, install), 'lib');
}

/**
 * Starts DynamoDB Local, installing it first where it was never used.
 *
 * @param isBrief whether it is used for minutes: Java's second compiler takes longer then than what it makes faster. Default false.
 */
export async function startDynamoDbLocal({
  isBrief = false,
}: {
  readonly isBrief?: boolean;
} = {}): Promise<DynamoDbLocal> {
  const lib = await findDynamoDbLocal();
  const folder = temporaryFolder();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const main = 'software.amazon.dynamodb.services.local.main.ServerRunner';
  const args = [
    '-Xmx512m',
    ...(isBrief ? ['-XX:TieredStopAtLevel=1'] : []),
    `-Djava.library.path=${lib}`,
    // It unpacks a library there, which it leaves; what Java writes of how it does would be in /tmp.
    `-Djava.io.tmpdir=${folder.path}`,
    '-XX:-UsePerfData',
    '-cp',
    join(lib, '*'),
    main,
    '-inMemory',
    '-port',
    String(port),
  ];
  const { pid, stop } = await startService('java', [...args, '-disableTelemetry'], {
    // Any answer will do: it refuses what is not signed.
    isReady: async () => (await fetch(endpoint)).status > 0,
    timeoutMs: 300_000,
    folder,
  });
  return { endpoint, version: VERSION, pid, stop };
}
