/** The rules of serverless.yml, for the local event bus. */

/** Each field has a list of the values that match, or a pattern of its own. */
export interface Pattern {
  readonly [field: string]: readonly (string | number | boolean | null)[] | Pattern;
}

export interface Rule {
  readonly bus: string;
  readonly pattern: Pattern;
  /** Name of the function as it is deployed. */
  readonly target: string;
  readonly retries: number;
}

export interface ServiceFunction {
  readonly name: string;
  readonly maximumRetryAttempts?: number;
  readonly events?: readonly { readonly eventBridge?: { readonly eventBus?: unknown; readonly pattern?: unknown } }[];
}

/** Every `eventBridge` event with a pattern; `busNames` gives the name behind each bus's logical id. Throws for a pattern that the local bus does not know how to match. */
export function rulesOf(functions: readonly ServiceFunction[], busNames: ReadonlyMap<string, string>): Rule[] {
  return functions.flatMap(({ name, maximumRetryAttempts = 2, events = [] }) =>
    events.flatMap(({ eventBridge }): Rule[] => {
      if (eventBridge?.pattern === undefined) return [];
      return [{ bus: busName(eventBridge.eventBus, busNames), pattern: checkedPattern(eventBridge.pattern), target: name, retries: maximumRetryAttempts }];
    }),
  );
}

function busName(bus: unknown, names: ReadonlyMap<string, string>): string {
  if (bus === undefined) return 'default';
  const reference = typeof bus === 'object' && bus !== null && 'Fn::GetAtt' in bus ? names.get(String((bus['Fn::GetAtt'] as readonly unknown[])[0])) : bus;
  if (typeof reference === 'string') return reference.split('/').at(-1) ?? reference;
  throw new Error(`the local event bus cannot tell the name of the bus ${JSON.stringify(bus)}`);
}

function checkedPattern(pattern: unknown): Pattern {
  if (typeof pattern !== 'object' || pattern === null) throw new Error(`an event pattern is not an object: ${JSON.stringify(pattern)}`);
  for (const [field, wanted] of Object.entries(pattern)) {
    if (!Array.isArray(wanted)) checkedPattern(wanted);
    else if (wanted.some((value) => typeof value === 'object' && value !== null))
      throw new Error(`the local event bus matches exact values alone, not ${field}: ${JSON.stringify(wanted)}`);
  }
  return pattern as Pattern;
}

export function matches(pattern: Pattern, event: unknown): boolean {
  if (typeof event !== 'object' || event === null) return false;
  return Object.entries(pattern).every(([field, wanted]) => {
    const value = (event as Record<string, unknown>)[field];
    if (!isValues(wanted)) return matches(wanted, value);
    return wanted.some((candidate) => (Array.isArray(value) ? value.includes(candidate) : value === candidate));
  });
}

function isValues(wanted: Pattern[string]): wanted is readonly (string | number | boolean | null)[] {
  return Array.isArray(wanted);
}
