/** Bytes or text to look for in what passes, or a judgement on each piece as it arrives. */
export type Pattern = string | Uint8Array | ((bytes: Buffer) => boolean);

/** Looks for `pattern` in a stream; text and bytes are found across the borders of pieces too. */
export function matcher(pattern: Pattern): (bytes: Buffer) => boolean {
  if (typeof pattern === 'function') return pattern;
  const wanted = Buffer.from(pattern);
  let tail = Buffer.alloc(0);
  return (bytes) => {
    const seen = Buffer.concat([tail, bytes]);
    const found = seen.includes(wanted);
    tail = Buffer.from(seen.subarray(Math.max(0, seen.length - wanted.length + 1)));
    return found;
  };
}
