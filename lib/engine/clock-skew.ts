/** How far the clocks of two machines may be apart. A slot that lies further ahead was planned, or completed, by a clock that has been set right since: it keeps no run from its time. */
const maxSkewMs = 120_000;

export function isAheadOfTime(slot: number, now: number): boolean {
  return slot > now + maxSkewMs;
}
