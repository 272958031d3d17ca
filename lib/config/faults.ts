import { SyncError } from '../errors.ts';

export type PathSegment = string | number;
export type FieldPath = readonly PathSegment[];

/** One thing wrong with a definitions file. */
export interface Fault {
  readonly file: string;
  /** Of the field, such as `syncs[0].cursor.column`; empty for the file as a whole. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** The reason and what to do; never a value that may be a secret. */
  readonly message: string;
}

/**
 * `['syncs', 0, 'cursor', 'column']` as `syncs[0].cursor.column`; names that are no plain words are quoted, and cut after a colon: in `{ password:x }` the
 * whole is the name.
 */
export function pathText(path: FieldPath): string {
  let text = '';
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(segment)) text += text === '' ? segment : `.${segment}`;
    else text += `[${JSON.stringify(segment.replace(/:.+$/s, ':…'))}]`;
  }
  return text;
}

/** `syncs.yaml:12:5 syncs[0].cursor.column: is required`. */
export function faultText(fault: Fault): string {
  return `${fault.file}:${fault.line}:${fault.column} ${fault.path === '' ? '' : `${fault.path}: `}${fault.message}`;
}

/** Code CONFIG_INVALID; `faults` has all of them, in the order of the file. */
export class DefinitionsError extends SyncError {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    const ordered = faults.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const first = ordered[0];
    const heading = ordered.length === 1 ? '' : `${ordered.length} faults in the definitions:\n`;
    super('CONFIG_INVALID', heading + ordered.map(faultText).join('\n'), first === undefined ? {} : { file: first.file, field: first.path });
    this.faults = ordered;
  }
}
