/**
 * Kafka's jars, fetched once a machine with Maven into a folder that tests only read. `HUNT_TEST_KAFKA_HOME` names an
 * unpacked Kafka instead.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from './programs.ts';

export const kafkaVersion = '4.3.1';
const slf4jVersion = '1.7.36';
const fetchMaxMs = 240_000;

const cache = (): string => join(homedir(), '.cache', 'treasure-hunt-engine', `kafka-${kafkaVersion}`);
const holdsKafka = (folder: string): boolean =>
  existsSync(folder) && readdirSync(folder).some((file) => /^kafka_2\.13-.*\.jar$/.test(file));

/** What keeps a broker from being started here; fetches the jars if it must, which takes half a minute. */
export function missingForKafka(): string | undefined {
  if (findProgram('java') === undefined) return 'java is not on the PATH';
  try {
    kafkaJars();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Files that a faster start keeps beside the jars. */
export const kafkaCacheFolder = (): string => {
  mkdirSync(cache(), { recursive: true });
  return cache();
};

/** The folder of the jars. */
export function kafkaJars(): string {
  const home = process.env.HUNT_TEST_KAFKA_HOME;
  if (home !== undefined && home !== '') {
    if (holdsKafka(join(home, 'libs'))) return join(home, 'libs');
    throw new Error(`${home} (HUNT_TEST_KAFKA_HOME) has no Kafka in its folder libs`);
  }
  const libs = join(cache(), 'libs');
  if (!holdsKafka(libs)) fetchJars(libs);
  return libs;
}

function fetchJars(libs: string): void {
  const mvn = findProgram('mvn');
  if (mvn === undefined) throw new Error('Kafka is not in the cache and mvn, which fetches it, is not on the PATH');
  const folder = mkdtempSync(join(kafkaCacheFolder(), 'fetching-'));
  try {
    writeFileSync(join(folder, 'pom.xml'), pom);
    const ran = spawnSync(
      mvn,
      ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libs', '-DincludeScope=runtime'],
      { cwd: folder, encoding: 'utf8', timeout: fetchMaxMs, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    if (ran.status !== 0 || !holdsKafka(join(folder, 'libs')))
      throw new Error(
        `Maven could not fetch Kafka ${kafkaVersion}: ${`${ran.stdout}${ran.stderr}`.trim().slice(0, 500)}`,
      );
    try {
      renameSync(join(folder, 'libs'), libs);
    } catch (error) {
      // Another process fetched them meanwhile.
      if (!holdsKafka(libs)) throw error;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hunt.test</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${kafkaVersion}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>${slf4jVersion}</version>
    </dependency>
  </dependencies>
</project>
`;
