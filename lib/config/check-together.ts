/** What shows only when all syncs of a file are looked at together. */
import type { Collector } from './collector.ts';
import type { Draft } from './syncs.ts';

export function checkTogether(drafts: readonly Draft[], collector: Collector): void {
  const names = new Map<string, number>();
  const targets = new Map<string, Draft[]>();
  for (const draft of drafts) {
    const { name, enabled, source, destination } = draft.definition;
    const first = draft.tainted.has('name') ? undefined : names.get(name);
    if (first !== undefined) collector.fault(['syncs', draft.index, 'name'], `"${name}" is the name of syncs[${first}] already`);
    if (!draft.tainted.has('name') && first === undefined) names.set(name, draft.index);
    if (draft.tainted.has('destination') || draft.destination === undefined) continue;
    const target = JSON.stringify([destination.connection, Object.entries(destination.options).sort()]);
    if (enabled) targets.set(target, [...(targets.get(target) ?? []), draft]);
    const origin = JSON.stringify([source.connection, Object.entries(source.options).sort()]);
    if (!draft.tainted.has('source') && origin === target) {
      collector.fault(['syncs', draft.index, 'destination'], 'is the same as the source: the sync would feed itself');
    }
  }
  for (const sharing of targets.values()) {
    if (sharing.length < 2) continue;
    for (const draft of sharing) {
      if (draft.definition.write !== 'replace' || draft.tainted.has('write')) continue;
      const others = sharing.filter((other) => other !== draft).map((other) => `"${other.definition.name}"`);
      collector.fault(
        ['syncs', draft.index, 'write'],
        `replace removes what ${others.join(', ')} ${others.length === 1 ? 'writes' : 'write'} to the same place`,
      );
    }
  }
}
