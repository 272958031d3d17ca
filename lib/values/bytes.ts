/** Bytes as text. Readers are strict: Node's own decoders stop silently at the first wrong character. */

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function toHex(bytes: Uint8Array): string {
  return view(bytes).toString('hex');
}

/** Null where the text is not pairs of hexadecimal digits. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0) return null;
  const bytes = Buffer.from(text, 'hex');
  return bytes.length * 2 === text.length ? bytes : null;
}

export function toBase64(bytes: Uint8Array): string {
  return view(bytes).toString('base64');
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Null where the text is not padded standard base64. */
export function fromBase64(text: string): Uint8Array | null {
  return base64.test(text) ? Buffer.from(text, 'base64') : null;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return view(a).equals(view(b));
}
