/** Java servers from Maven Central: a small pom names what is wanted, Maven's own client fetches it, and the class path is remembered in the cache. */
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aptInstall } from './apt.ts';
import { cached, cacheFolder } from './cache.ts';
import { findProgram, runTool } from './programs.ts';

/** `group:artifact:version`. */
export type Artifact = `${string}:${string}:${string}`;

const dependencyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';
/** Quick to start and small: the tests run for minutes. */
export const javaOptions = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-XX:-UsePerfData'] as const;

const nameOf = (artifacts: readonly Artifact[]): string => artifacts.map((artifact) => artifact.split(':').slice(1).join('-')).join('+');

function pom(artifacts: readonly Artifact[]): string {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;
  });
  const own = '<modelVersion>4.0.0</modelVersion><groupId>idra.test</groupId><artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>';
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">${own}<dependencies>${dependencies.join('')}</dependencies></project>\n`;
}

/** The class path that was fetched before, if Java and all its jars are still here; otherwise what is lacking. */
export async function classPath(artifacts: readonly Artifact[]): Promise<{ path: string } | string> {
  if (findProgram('java') === undefined) return 'no java on this machine';
  const file = join(cacheFolder, nameOf(artifacts), 'class-path');
  if (!existsSync(file)) return `${artifacts[0]} was not fetched yet`;
  const path = (await readFile(file, 'utf8')).trim();
  return path.split(':').every((jar) => existsSync(jar)) ? { path } : `jars of ${artifacts[0]} have gone`;
}

/** Fetches them, and installs Java and Maven before where they are missing; a string says why it cannot. `javac` where source of our own is run. */
export async function fetchJars(artifacts: readonly Artifact[], java: 'java' | 'javac' = 'java'): Promise<string | undefined> {
  if (findProgram(java) === undefined || findProgram('mvn') === undefined) {
    const refusal = await aptInstall('default-jdk-headless', 'maven');
    if (refusal !== undefined) return refusal;
  }
  const maven = findProgram('mvn');
  if (maven === undefined) return 'no mvn, although maven was installed';
  if (typeof (await classPath(artifacts)) === 'string') await rm(join(cacheFolder, nameOf(artifacts)), { recursive: true, force: true });
  await cached(nameOf(artifacts), async (folder) => {
    await writeFile(join(folder, 'pom.xml'), pom(artifacts));
    const output = `-Dmdep.outputFile=${join(folder, 'class-path')}`;
    await runTool(maven, ['--quiet', '--batch-mode', `${dependencyPlugin}:build-classpath`, output, '-Dmdep.includeScope=runtime'], { cwd: folder });
  });
  return undefined;
}
