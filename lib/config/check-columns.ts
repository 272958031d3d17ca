/** Contradictions between `columns`, `mask`, `key` and `cursor`, as far as they show without the source's catalogue. */
import type { Report } from './checks.ts';
import type { Draft } from './syncs.ts';

export function checkColumns(draft: Draft, report: Report): void {
  checkSelection(draft, report);
  checkRename(draft, report);
  checkNeeded(draft, report);
  checkMask(draft, report);
}

function checkSelection({ parsed }: Draft, report: Report): void {
  const { include, exclude = [] } = parsed.columns;
  for (const [list, names] of [
    ['include', include ?? []],
    ['exclude', exclude],
  ] as const) {
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) !== index) report(['columns'], ['columns', list, index], `"${name}" stands twice`);
    }
  }
  for (const [index, name] of exclude.entries()) {
    if (include?.includes(name)) report(['columns'], ['columns', 'exclude', index], `"${name}" stands in include too`);
    else if (include !== undefined) report(['columns'], ['columns', 'exclude', index], `"${name}" is not in include, so it is left out already`);
  }
  for (const [field, names] of [
    ['columns.rename', Object.keys(parsed.columns.rename)],
    ['mask', Object.keys(parsed.mask)],
  ] as const) {
    for (const name of names) {
      const reason = leftOut(parsed.columns, name);
      if (reason !== undefined) report(['columns', 'mask'], [...field.split('.'), name], `"${name}" is not read: ${reason}`);
    }
  }
}

/** Why a column does not reach the destination; undefined where it does. */
function leftOut({ include, exclude }: Draft['parsed']['columns'], name: string): string | undefined {
  if (exclude?.includes(name)) return 'it is in columns.exclude';
  return include !== undefined && !include.includes(name) ? 'it is not in columns.include' : undefined;
}

function checkRename({ parsed, definition }: Draft, report: Report): void {
  const { include, rename } = parsed.columns;
  const taken = new Map<string, string>();
  for (const name of include ?? []) if (!Object.hasOwn(rename, name)) taken.set(name, name);
  for (const [name, target] of Object.entries(rename)) {
    const other = taken.get(target);
    if (other !== undefined) report(['columns'], ['columns', 'rename', name], `"${target}" is the name of column "${other}" in the destination already`);
    taken.set(target, name);
  }
  const marker = taken.get(definition.softDeleteColumn);
  if (definition.deletes === 'soft' && marker !== undefined) {
    report(
      ['columns', 'deletes', 'softDeleteColumn'],
      ['softDeleteColumn'],
      `"${definition.softDeleteColumn}" is the name of column "${marker}" in the destination already`,
    );
  }
}

/** Key and cursor columns are read with every row: the position and the upsert are made from them. */
function checkNeeded({ parsed, definition }: Draft, report: Report): void {
  const { column } = definition.cursor;
  const needed = [
    ...(column === undefined ? [] : [[['cursor', 'column'], column] as const]),
    ...(parsed.cursor.key ?? []).map((name) => [['cursor', 'key'], name] as const),
    ...(parsed.key ?? []).map((name) => [['key'], name] as const),
  ];
  for (const [path, name] of needed) {
    const reason = leftOut(parsed.columns, name);
    if (reason !== undefined) report([String(path[0]), 'columns'], path, `"${name}" has to be read, but ${reason}`);
  }
  for (const [field, names] of [
    ['key', parsed.key ?? []],
    ['cursor', parsed.cursor.key ?? []],
  ] as const) {
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) report([field], field === 'key' ? ['key'] : ['cursor', 'key'], `"${twice}" stands twice`);
  }
}

/** As far as the definition alone says it. */
const upsertKey = ({ key, cursor }: Draft['definition']): readonly string[] => (key.length > 0 ? key : cursor.key);

function checkMask({ parsed, definition }: Draft, report: Report): void {
  for (const [name, rule] of Object.entries(parsed.mask)) {
    const path = ['mask', name];
    if (definition.write === 'upsert' && upsertKey(definition).includes(name) && rule !== 'sha256') {
      report(['mask', 'key', 'cursor', 'write', 'mode'], path, `${rule} on a key column makes different rows one row; sha256 keeps them apart`);
    }
    if (definition.mode.startsWith('lastDestination') && name === definition.cursor.column) {
      report(['mask', 'mode', 'cursor'], path, `mode ${definition.mode} reads this column back from the destination: it cannot be masked`);
    }
  }
}
