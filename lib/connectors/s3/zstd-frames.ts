/**
 * Content in zstd, frame by frame: an object may have any number of them (RFC 8878, section 3), as what was put together of several files, written by several threads or flushed as it grew has. Node's
 * decompressor ends with the first one and passes over what follows. Where a frame ends is told by the headers of its blocks.
 */
import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { Malformed } from './records.ts';

const magic = 0xfd2fb528;
/** The last four bits of a skippable frame's magic number are its own. */
const skippable = 0x184d2a50;
const chunkSize = 256 * 1024;

/** Bytes of the header after its first byte (section 3.1.1.1). */
function headerRest(descriptor: number): number {
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  return (single ? 0 : 1) + dictionary + contentSize;
}

class Frames {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Its magic number; null at the end of the object. Skippable frames are passed over. */
  async begin(): Promise<Buffer | null> {
    for (;;) {
      if (this.#held.length === 0 && !(await this.#more())) return null;
      const head = await this.#exactly(4);
      const number = head.readUInt32LE(0);
      if (number === magic) return head;
      if ((number & 0xfffffff0) >>> 0 !== skippable) throw new Malformed('has something else behind a frame of zstd');
      const size = (await this.#exactly(4)).readUInt32LE(0);
      for await (const _ of this.#pass(size));
    }
  }

  /** The bytes of the frame that has begun. */
  async *frame(head: Buffer): AsyncGenerator<Buffer> {
    yield head;
    const first = await this.#exactly(1);
    yield first;
    const descriptor = first.readUInt8(0);
    yield await this.#exactly(headerRest(descriptor));
    for (;;) {
      const block = await this.#exactly(3);
      yield block;
      const header = block.readUIntLE(0, 3);
      const [last, type, size] = [(header & 1) === 1, (header >> 1) & 3, header >> 3];
      // One byte that is repeated, type 1; type 3 is reserved, and the decompressor says so
      yield* this.#pass(type === 1 ? 1 : size);
      if (last) break;
    }
    if ((descriptor & 4) !== 0) yield await this.#exactly(4);
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done === true) return false;
    this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value]);
    return true;
  }

  async #exactly(count: number): Promise<Buffer> {
    while (this.#held.length < count) if (!(await this.#more())) throw cut();
    return this.#take(count);
  }

  #take(count: number): Buffer {
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async *#pass(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; ) {
      if (this.#held.length === 0 && !(await this.#more())) throw cut();
      const part = this.#take(Math.min(left, this.#held.length));
      left -= part.length;
      if (part.length > 0) yield part;
    }
  }
}

const cut = (): Malformed => new Malformed('ends inside a frame of zstd: it was cut short');

/** What the object holds. Throws `Malformed` where it ends inside a frame or goes on with something else. */
export async function* zstdContent(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const frames = new Frames(source);
  try {
    for (let head = await frames.begin(); head !== null; head = await frames.begin()) {
      const input = Readable.from(frames.frame(head), { objectMode: false });
      const inflate = createZstdDecompress({ chunkSize });
      input.on('error', (error) => inflate.destroy(error));
      input.pipe(inflate);
      try {
        for await (const piece of inflate as AsyncIterable<Buffer>) yield piece;
      } finally {
        input.destroy();
        inflate.destroy();
      }
    }
  } finally {
    await frames.close();
  }
}
