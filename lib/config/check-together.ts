/** What shows only when all syncs of a file are looked at together. */
import type { Collector } from './collector.ts';
import type { EndDefinition } from './definition.ts';
import type { Draft } from './syncs.ts';

/** The same table of the same connection: what both sides name alike decides, options that one side alone has do not. */
function feedsItself(source: EndDefinition, destination: EndDefinition): boolean {
  const shared = Object.keys(destination.options).filter((name) => Object.hasOwn(source.options, name));
  const alike = (name: string) => JSON.stringify(source.options[name]) === JSON.stringify(destination.options[name]);
  return source.connection === destination.connection && shared.length > 0 && shared.every(alike);
}

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
    if (!draft.tainted.has('source') && feedsItself(source, destination)) {
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
