/** Faults of a definitions file with the lines that they are about. */
import { readFile } from 'node:fs/promises';
import type { createColors } from 'picocolors';
import type { Fault } from '../config/faults.ts';
import { sourceLine } from '../config/source-line.ts';
import { counted } from './format.ts';

type Colors = ReturnType<typeof createColors>;

/** Longer lines (JSON on one line) are shown around the place only. */
const maxSourceWidth = 90;
const before = 40;

/** `file:line:column path`, the reason, and the line with a mark below it. What may be a secret is covered. */
export async function faultReport(faults: readonly Fault[], { colors, noun }: { colors: Colors; noun: 'fault' | 'warning' }): Promise<string> {
  const paint = noun === 'fault' ? colors.red : colors.yellow;
  const files = new Map<string, readonly string[]>();
  const blocks: string[] = [];
  for (const fault of faults) {
    const lines = files.get(fault.file) ?? (await linesOf(fault.file));
    files.set(fault.file, lines);
    const place = lines.length === 0 ? fault.file : `${fault.file}:${fault.line}:${fault.column}`;
    blocks.push(`${colors.bold(place)}${fault.path === '' ? '' : ` ${colors.cyan(fault.path)}`}\n  ${paint(fault.message)}${excerpt(fault, lines, colors)}`);
  }
  return `${blocks.join('\n\n')}\n\n${counted(faults.length, noun)}`;
}

async function linesOf(file: string): Promise<readonly string[]> {
  try {
    return (await readFile(file, 'utf8')).split(/\r\n|[\r\n]/);
  } catch (error) {
    // Definitions that came from elsewhere, or a file that is the fault itself: the report does without its lines.
    if (error instanceof Error && 'code' in error) return [];
    throw error;
  }
}

function excerpt(fault: Fault, lines: readonly string[], colors: Colors): string {
  const written = lines[fault.line - 1];
  if (written === undefined || written.trim() === '') return '';
  const line = sourceLine(written, fault.path);
  const start = fault.column > maxSourceWidth - 10 ? fault.column - 1 - before : 0;
  const shown = `${start > 0 ? '…' : ''}${line.slice(start, start + maxSourceWidth)}${line.length > start + maxSourceWidth ? '…' : ''}`.replace(
    /\p{Cc}/gu,
    ' ',
  );
  const gutter = `${fault.line} | `;
  const caret = ' '.repeat(gutter.length + fault.column - 1 - start + (start > 0 ? 1 : 0));
  return `\n  ${colors.dim(gutter)}${shown}\n  ${caret}${colors.bold('^')}`;
}
