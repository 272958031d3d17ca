/** The README's table of connectors, as their capabilities have it. */
import { registry } from '../../lib/connectors/registry.ts';

const list = (items: readonly string[]) => items.map((item) => `\`${item}\``).join(', ');

export function connectorTable(): string {
  const rows = Object.entries(registry).map(([type, { config }]) => {
    const { source, destination } = config.capabilities;
    return [`[${type}](lib/connectors/${type})`, list(source.modes), source.deletes ? 'yes' : 'no', list(destination.writes), destination.guarantee];
  });
  const head = ['type', 'modes as a source', 'reports deletions', 'writes', 'guarantee'];
  return [head, head.map(() => '---'), ...rows].map((cells) => (cells[0] === '---' ? `|${cells.join('|')}|` : `| ${cells.join(' | ')} |`)).join('\n');
}
