/** Exit status of the command, fixed by the interface. A run that a signal ended early has 128 + the signal's number instead. */
export const exitCodes = {
  /** All succeeded, or were skipped because a lock was held. */
  succeeded: 0,
  /** A sync failed. */
  failed: 1,
  /** The definitions or the arguments are wrong. */
  wrongInput: 2,
} as const;
