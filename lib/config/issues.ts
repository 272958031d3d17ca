/** What zod finds, in the words of a definitions file. */
import { type core, ZodArray, ZodDefault, ZodObject, ZodOptional, ZodPipe, ZodRecord, type ZodType } from 'zod';
import type { FieldPath, PathSegment } from './faults.ts';
import { closest, hint } from './suggest.ts';

export interface Finding {
  readonly path: FieldPath;
  readonly message: string;
  /** Whether the name of the field is at fault, and not its value. */
  readonly at: 'key' | 'value';
}

type Issue = core.$ZodIssue;

/** All issues as findings; `value` is what was parsed, `schema` what it was parsed by. */
export function findings(schema: ZodType, value: unknown, issues: readonly Issue[]): Finding[] {
  return issues.flatMap((issue) => explain(schema, value, issue));
}

function explain(schema: ZodType, value: unknown, issue: Issue): Finding[] {
  const path = issue.path as PathSegment[];
  const given = valueAt(value, path);
  const at = 'value';
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = fieldsAt(schema, path);
      return issue.keys.map((key) => {
        const reason = key.includes(':') ? ': put a blank after the colon' : hint(key, known);
        return { path: [...path, key], message: `is no field here${reason}`, at: 'key' };
      });
    }
    case 'invalid_key':
      return [{ path, message: issue.issues.map((inner) => inner.message).join('; '), at: 'key' }];
    case 'invalid_union': {
      const branch = issue.errors.toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? [];
      if (depth(branch) === 0) return [{ path, message: missing(given) ?? lower(issue.message), at }];
      return branch.flatMap((inner) => explain(schema, value, { ...inner, path: [...path, ...inner.path] }));
    }
    case 'invalid_type':
      return [{ path, message: missing(given) ?? `has to be ${article(issue.expected)}, not ${typeName(given)}${typeHint(issue.expected, given)}`, at }];
    case 'invalid_value': {
      const near = typeof given === 'string' ? closest(given, issue.values.map(String)) : undefined;
      const choices = issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.join(', ')}`;
      return [{ path, message: missing(given) ?? `has to be ${choices}${near === undefined ? '' : `; did you mean "${near}"?`}`, at }];
    }
    case 'too_small':
      return [{ path, message: issue.message.startsWith('Too') ? `has to be ${size(issue.origin, 'at least', issue.minimum)}` : issue.message, at }];
    case 'too_big':
      return [{ path, message: issue.message.startsWith('Too') ? `has to be ${size(issue.origin, 'at most', issue.maximum)}` : issue.message, at }];
    default:
      return [{ path, message: lower(issue.message), at }];
  }
}

function depth(issues: readonly Issue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

function lower(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

function missing(given: unknown): string | undefined {
  if (given === undefined) return 'is required';
  return given === null ? 'is empty: give it a value, or leave the field out' : undefined;
}

function size(origin: string, limit: string, bound: number | bigint): string {
  if (origin === 'string') return Number(bound) === 1 && limit === 'at least' ? 'more than an empty text' : `${limit} ${bound} characters long`;
  return `${limit} ${bound}${origin === 'array' || origin === 'set' ? ' long' : ''}`;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'empty',
};

function article(expected: string): string {
  return typeNames[expected] ?? expected;
}

function typeName(given: unknown): string {
  if (given === null) return 'empty';
  return article(Array.isArray(given) ? 'array' : typeof given);
}

function typeHint(expected: string, given: unknown): string {
  if (expected === 'string' && (typeof given === 'number' || typeof given === 'boolean')) return ': put it in quotes';
  if (expected === 'boolean' && typeof given === 'string' && /^(yes|no|on|off|true|false)$/i.test(given)) return ': write true or false, without quotes';
  return '';
}

function valueAt(value: unknown, path: FieldPath): unknown {
  let current = value;
  for (const segment of path) {
    if (current === null || typeof current !== 'object' || !Object.hasOwn(current, segment)) return undefined;
    current = (current as Record<PathSegment, unknown>)[segment];
  }
  return current;
}

/** Names of the fields that the schema knows at a place; empty where that cannot be told. */
function fieldsAt(schema: ZodType, path: FieldPath): string[] {
  let current: unknown = unwrap(schema);
  for (const segment of path) {
    if (current instanceof ZodObject) current = unwrap(current.shape[segment]);
    else if (current instanceof ZodArray) current = unwrap(current.element);
    else if (current instanceof ZodRecord) current = unwrap(current.valueType);
    else return [];
  }
  return current instanceof ZodObject ? Object.keys(current.shape) : [];
}

function unwrap(schema: unknown): unknown {
  let current = schema;
  while (true) {
    if (current instanceof ZodOptional || current instanceof ZodDefault) current = current.unwrap();
    else if (current instanceof ZodPipe) current = current.in;
    else return current;
  }
}
