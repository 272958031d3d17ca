import type { Position } from './document.ts';
import type { Fault, FieldPath } from './faults.ts';
import { pathText } from './faults.ts';

/** Gathers what is wrong, so that a user sees all of it at once, each at its place in the file. */
export class Collector {
  readonly faults: Fault[] = [];
  readonly warnings: Fault[] = [];
  readonly #file: string;
  readonly #locate: (path: FieldPath, at?: 'key' | 'value') => Position;
  readonly #origin: (path: FieldPath) => FieldPath;

  /** `origin` translates a path into that of the file which the user wrote, where that is in another format. */
  constructor(file: string, locate: (path: FieldPath, at?: 'key' | 'value') => Position, origin: (path: FieldPath) => FieldPath = (path) => path) {
    this.#file = file;
    this.#locate = locate;
    this.#origin = origin;
  }

  fault(path: FieldPath, message: string, at: 'key' | 'value' = 'value'): void {
    this.faults.push(this.#make(path, message, at));
  }

  warn(path: FieldPath, message: string): void {
    this.warnings.push(this.#make(path, message, 'value'));
  }

  #make(path: FieldPath, message: string, at: 'key' | 'value'): Fault {
    const own = this.#origin(path);
    return { file: this.#file, path: pathText(own), ...this.#locate(own, at), message };
  }
}
