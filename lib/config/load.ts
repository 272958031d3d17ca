/** From a file, or a text from elsewhere, to `Definitions`: everything that is wrong is said at once. */
import { readFile, stat } from 'node:fs/promises';
import { SyncError } from '../errors.ts';
import { checkTogether } from './check-together.ts';
import { Collector } from './collector.ts';
import { isObject, type ParsedConnection, parseConnection } from './connections.ts';
import type { Definitions } from './definition.ts';
import { readDocument } from './document.ts';
import { DefinitionsError, type Fault } from './faults.ts';
import { isIdraFile } from './idra/detect.ts';
import { translateIdra } from './idra/translate.ts';
import { fileFields, namePattern } from './schema.ts';
import { hint } from './suggest.ts';
import { parseSync } from './syncs.ts';

export interface LoadedDefinitions extends Definitions {
  /** What is allowed and probably not meant, or not as safe as it could be. */
  readonly warnings: readonly Fault[];
}

/** Looked for in this order where no file is named. */
export const defaultFiles = ['syncs.yaml', 'syncs.yml', 'syncs.json'] as const;

const maxBytes = 10 * 1024 ** 2;

/** Looks at definitions that are sound, for what only some uses of them ask for. */
export type FurtherCheck = (definitions: Definitions, collector: Collector) => void;

/** Reads `path`, or the first of `defaultFiles` in the current folder. Throws DefinitionsError with every fault. */
export async function loadDefinitions(path?: string, further?: FurtherCheck): Promise<LoadedDefinitions> {
  const file = path ?? (await findDefault());
  return parseDefinitions(await readText(file), file, further);
}

async function findDefault(): Promise<string> {
  for (const file of defaultFiles) {
    if ((await stat(file).catch(() => null)) !== null) return file;
  }
  throw new SyncError('CONFIG_INVALID', `There is no ${defaultFiles.join(', ')} in this folder: write one, or name the definitions file.`);
}

const fileErrors: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'is not there'],
  ['ENOTDIR', 'is not there: a part of the path is no folder'],
  ['EACCES', 'may not be read by this user'],
  ['EPERM', 'may not be read by this user'],
  ['EISDIR', 'is a folder: name the file in it'],
]);

async function readText(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(file);
    if (size > maxBytes) throw new DefinitionsError([whole(file, `is ${size} bytes long: definitions of more than 10 MB are not read`)]);
    bytes = await readFile(file);
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? fileErrors.get(String(error.code)) : undefined;
    if (reason === undefined) throw error;
    throw new DefinitionsError([whole(file, reason)]);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DefinitionsError([whole(file, 'is not UTF-8 text')]);
  }
}

function whole(file: string, message: string): Fault {
  return { file, path: '', line: 1, column: 1, message };
}

/** `origin` is what messages call the text: a file's path, a key of etcd. Throws DefinitionsError with every fault. */
export function parseDefinitions(text: string, origin: string, further?: FurtherCheck): LoadedDefinitions {
  const document = readDocument(text);
  if (document.faults.length > 0) throw new DefinitionsError(document.faults.map((fault) => ({ file: origin, path: '', ...fault })));
  if (document.value === null || document.value === undefined) throw new DefinitionsError([whole(origin, 'is empty')]);
  if (isIdraFile(document.value)) {
    const own = new Collector(origin, document.locate);
    const translated = translateIdra(document.value, own);
    const collector = new Collector(origin, document.locate, translated.origin);
    collector.faults.push(...own.faults);
    collector.warnings.push(...own.warnings);
    return build(translated.value, collector, { origin, further });
  }
  return build(document.value, new Collector(origin, document.locate), { origin, further });
}

interface BuildOptions {
  readonly origin: string;
  readonly further: FurtherCheck | undefined;
}

function build(value: unknown, collector: Collector, { origin, further }: BuildOptions): LoadedDefinitions {
  if (!isObject(value)) throw new DefinitionsError([whole(origin, 'has to be an object with the fields connections and syncs')]);
  for (const field of Object.keys(value)) {
    if (!Object.hasOwn(fileFields, field) && !field.startsWith('x-'))
      collector.fault([field], `is no field here${hint(field, Object.keys(fileFields))}`, 'key');
  }
  refuseProto(value, [], collector);
  const connections = new Map<string, ParsedConnection>();
  for (const [name, raw] of Object.entries(section(value, 'connections', collector))) {
    if (!namePattern.test(name))
      collector.fault(['connections', name], fileFields.connections.unwrap().keyType.safeParse(name).error?.issues[0]?.message ?? '', 'key');
    connections.set(name, parseConnection(name, raw, collector));
  }
  const drafts = Object.values(section(value, 'syncs', collector)).flatMap((raw, index) => parseSync(raw, { index, connections, collector }) ?? []);
  checkTogether(drafts, collector);
  const definitions: Definitions = {
    origin,
    connections: Object.fromEntries([...connections].map(([name, { definition }]) => [name, definition])),
    syncs: drafts.map((draft) => draft.definition),
  };
  if (collector.faults.length === 0) further?.(definitions, collector);
  if (collector.faults.length > 0) throw new DefinitionsError(collector.faults);
  return { ...definitions, warnings: collector.warnings.toSorted((a, b) => a.line - b.line || a.column - b.column) };
}

function section(value: Record<string, unknown>, field: 'connections' | 'syncs', collector: Collector): object {
  const content = value[field];
  const fits = field === 'syncs' ? Array.isArray(content) : isObject(content);
  if (fits && typeof content === 'object' && content !== null) return content;
  if (content !== undefined) collector.fault([field], `has to be ${field === 'syncs' ? 'a list' : 'an object: name → connection'}`);
  return {};
}

/** The one name that an object of this language cannot hold like any other. */
function refuseProto(value: unknown, path: readonly (string | number)[], collector: Collector): void {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) refuseProto(item, [...path, index], collector);
  else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) {
      if (name === '__proto__') collector.fault([...path, name], 'cannot be used as a name', 'key');
      else refuseProto(item, [...path, name], collector);
    }
  }
}
