// Seeds of dropout: a different mask for every update of every task, the same one when an update is repeated.

/**
 * A number below 2⁵³ made of the run's seed, the task's stream and the update: the low 32 bits count updates, as many
 * bits above them as
 * `streams` takes tell tasks apart, and the rest is the seed, folded to the bits that are left.
 * @param streams how many tasks there are at most, a power of two
 */
export function dropoutSeed(seed: number, stream: number, streams: number, update: number): number {
  const mask = 2 ** 21 / streams - 1;
  const folded = ((seed >>> 0) ^ Math.floor(seed / 2 ** 32)) & mask;
  return (folded * streams + stream) * 2 ** 32 + update;
}

/**
 * Options of the base model that drop soft tokens and, where asked for, turn on the backbone's own dropout; nothing
 * where neither is.
 */
export function dropoutOptions(
  {
    seed,
    dropout,
    backboneDropout,
  }: { readonly seed: number; readonly dropout: number; readonly backboneDropout: boolean },
  stream: number,
  streams: number,
) {
  return (update: number) =>
    dropout === 0 && !backboneDropout
      ? {}
      : {
          dropout: {
            seed: dropoutSeed(seed, stream, streams, update),
            softTokens: dropout,
            backbone: backboneDropout,
          },
        };
}
