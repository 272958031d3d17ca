import { hasReference } from '../references.ts';

/** A connection string in the fields of this system, with what stood in it that cannot be kept. */
export interface TranslatedConnection {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Why it cannot be translated; never a value, as any part may be the password. */
  readonly faults: readonly string[];
  /** What is understood and makes no difference here. */
  readonly notes: readonly string[];
  /** Fields of the source that reads by it, where Idra keeps them in the connection. */
  readonly source?: Readonly<Record<string, unknown>>;
}

export function refused(...faults: string[]): TranslatedConnection {
  return { fields: {}, faults, notes: [] };
}

/** Faults for parameters that are not known. A `?` in a password that is not encoded makes its rest look like parameters, with the @ after it: then none is repeated. */
export function unknownParameters(names: readonly string[], query: string): string[] {
  if (names.length === 0 || !query.includes('@')) return names.map((name) => `the parameter "${name}" has no counterpart: take it out`);
  return ['has parameters without a counterpart before its last @: write a ? or / of the password as %3F or %2F'];
}

/** A literal `${` in Idra's file is just that; references to the environment and to secrets may be put into it all the same. */
export function literal(text: string): string {
  return hasReference(text) ? text : text.replaceAll('${', () => '$${');
}

/** Only the fields that have a value. */
export function filled(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ''));
}

/** Port number, undefined where the text is none. */
export function port(text: string): number | undefined {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return number >= 1 && number <= 65535 ? number : undefined;
}
