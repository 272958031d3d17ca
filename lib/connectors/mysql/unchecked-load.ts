/**
 * REPLACE deletes the row that is there, and a foreign key to it would act on that, also one of a table that the user may not see and so cannot know of. Of a table that
 * refers to no other, whose indexes are over its key alone, nothing is left to check: what rows elsewhere refer to is there again at the end of the statement.
 */
import type { Row } from '../../values/types.ts';
import type { Loader } from './load.ts';
import type { Session } from './session.ts';

const off = 'SET @idra_foreign_key_checks = @@SESSION.foreign_key_checks, SESSION foreign_key_checks = 0';
const restore = 'SET SESSION foreign_key_checks = @idra_foreign_key_checks';

/** Foreign keys are not checked while the load runs; deletes of the same batch are to be. */
export class UncheckedLoad implements Loader {
  readonly #session: Session;
  readonly #off: Promise<unknown>;
  readonly #loader: Loader;
  #restored = false;

  constructor(session: Session, start: () => Loader) {
    this.#session = session;
    // The driver sends one statement after the other: the load waits for this one
    this.#off = session.query(off);
    // Its failure is seen by write and finish; until then it must not end the process
    this.#off.catch(() => undefined);
    this.#loader = start();
  }

  async write(rows: readonly Row[]): Promise<void> {
    await this.#off;
    await this.#loader.write(rows);
  }

  async finish(): Promise<void> {
    try {
      await this.#off;
      await this.#loader.finish();
    } finally {
      await this.#restore();
    }
  }

  async abandon(): Promise<void> {
    try {
      await this.#loader.abandon();
    } finally {
      await this.#restore();
    }
  }

  async #restore(): Promise<void> {
    if (this.#restored || this.#session.lost) return;
    this.#restored = true;
    await this.#session.query(restore);
  }
}
